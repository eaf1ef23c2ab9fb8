//! Job control: how terminals reach processes.

use crate::process;
use paddock_abi::signal::{SIGTTIN, SIGTTOU, Siginfo};
use paddock_cred::Cap;
use paddock_process::Local;
use paddock_tty::{Caller, JobControl};

/// All processes, for terminals.
#[derive(Debug)]
pub struct Processes;

impl JobControl for Processes {
    fn caller(&self) -> Option<Caller> {
        let thread = process::current()?;
        let pid = thread.process.pid;
        let tree = process::tree().lock();
        let (group, session) = (tree.group(pid).ok()?, tree.session(pid).ok()?);
        let orphaned = tree.is_orphaned(group);
        drop(tree);
        let signals = thread.process.signals.lock();
        Some(Caller {
            pid,
            group,
            session,
            orphaned,
            refuses_ttin: signals.blocks_or_ignores(thread.tid, SIGTTIN),
            refuses_ttou: signals.blocks_or_ignores(thread.tid, SIGTTOU),
            privileged: thread.with_cred(|cred| cred.capable(Cap::CAP_SYS_ADMIN)),
        })
    }

    fn signal_group(&self, group: u32, signal: u32) {
        process::send_to_group(group, &Siginfo::kernel(signal));
    }

    fn signal_process(&self, pid: u32, signal: u32) {
        let process = process::tree().lock().get(pid);
        if let Some(process) = process {
            // A terminal's signals are not queued: there is no error.
            let _ = process::send_to_process(&process, &Siginfo::kernel(signal));
        }
    }

    fn session_of_group(&self, group: u32) -> Option<u32> {
        process::tree().lock().group_session(group)
    }

    fn known(&self, id: u32) -> u32 {
        process::numbers::known(id).get()
    }

    fn find(&self, number: u32) -> Option<u32> {
        process::numbers::find(Local::new(number))
    }
}
