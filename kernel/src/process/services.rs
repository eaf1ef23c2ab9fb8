//! Ending what process 1 has started, in its place.

use super::object::{Process, tree};
use super::signals::{Targets, send_to_process};
use super::spawn::FIRST;
use crate::thread;
use alloc::sync::Arc;
use paddock_abi::signal::{SIGCONT, SIGKILL, SIGTERM, Siginfo};
use paddock_abi::{Errno, Result};

/// How long services may take to end by themselves, in milliseconds.
const GRACE_MS: u64 = 3000;
/// How long they may take once they were killed, in milliseconds.
const END_MS: u64 = 2000;
/// How often that is looked at, in milliseconds.
const LOOK_MS: u64 = 20;

fn is_service(process: &Arc<Process>) -> bool {
    !process.is_login && process.pid != FIRST
}

/// How many services' processes there are. Never sleeps.
pub fn count() -> usize {
    let mut count = 0;
    tree()
        .lock()
        .for_each(|_, process| count += usize::from(is_service(process)));
    count
}

/// Asks all services to end, and kills those that do not. Thread context;
/// sleeps.
///
/// # Errors
/// `EBUSY` if some are still there; `ENOMEM`.
pub fn end_all() -> Result<()> {
    for (signal, patience) in [(SIGTERM, GRACE_MS), (SIGKILL, END_MS)] {
        signal_all(signal)?;
        for _ in 0..patience / LOOK_MS {
            if count() == 0 {
                return Ok(());
            }
            thread::sleep_ms(LOOK_MS);
        }
    }
    Err(Errno::EBUSY)
}

fn signal_all(signal: u32) -> Result<()> {
    let (targets, ()) = Targets::find(|tree, add| {
        tree.for_each(|_, process| {
            if is_service(process) {
                add(process);
            }
        });
    })?;
    for process in targets.processes() {
        let _ = send_to_process(process, &Siginfo::kernel(signal));
        let _ = send_to_process(process, &Siginfo::kernel(SIGCONT));
    }
    Ok(())
}
