//! `/proc/PID/timerslack_ns`: by how much the first thread's sleeps may end later (proc(5)).

use super::text::{Text, given_number};
use crate::process::{self, Process};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// `timerslack_ns`.
pub fn slack(process: Arc<Process>) -> ProcNode {
    ProcNode::file(Slack(process)).with_mode(0o666)
}

struct Slack(Arc<Process>);

impl Slack {
    /// One's own is anybody's to see and to set; others' are for CAP_SYS_NICE. `EPERM`.
    fn check(&self) -> Result<()> {
        let current = process::current().ok_or(Errno::EPERM)?;
        let may = current.process.pid == self.0.pid
            || current.with_cred(|cred| cred.capable(Cap::CAP_SYS_NICE));
        may.then_some(()).ok_or(Errno::EPERM)
    }
}

impl ProcFile for Slack {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        self.check()?;
        let thread = self.0.thread(self.0.pid).ok_or(Errno::ESRCH)?;
        let nanos = thread.timer_slack[0].load(Relaxed);
        Text::new(text).put(format_args!("{nanos}\n"))
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        self.check()?;
        let nanos: u64 = given_number(data)?;
        let thread = self.0.thread(self.0.pid).ok_or(Errno::ESRCH)?;
        let [slack, default] = &thread.timer_slack;
        let nanos = match nanos {
            0 => default.load(Relaxed),
            nanos => nanos,
        };
        slack.store(nanos, Relaxed);
        Ok(data.len())
    }
}
