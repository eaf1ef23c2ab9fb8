//! `/proc/paddock/locks`: the sleeping locks that are held, by whom, and who
//! waits for them.

use super::super::text::Text;
use crate::thread::{self, Thread};
use crate::watchdog::{Who, locks};
use alloc::sync::Arc;
use core::fmt;
use paddock_abi::{Errno, Result};

/// A line for each lock: what it is, who holds it, and where it was taken;
/// below, indented, those who wait for it.
pub fn show(out: &mut Text<'_>) -> Result<()> {
    let all = thread::snapshot()?;
    all.iter()
        .try_for_each(|holder| held_by(out, &all, holder).map_err(|_| Errno::ENOMEM))
}

/// The lines of the locks that one of all threads holds. Never sleeps.
pub fn held_by(out: &mut impl fmt::Write, all: &[Arc<Thread>], holder: &Thread) -> fmt::Result {
    for lock in locks::held(holder.context()).filter(locks::Lock::sleeps) {
        let (who, at) = (Who(holder), lock.taken_at());
        writeln!(out, "{lock} held by {who}, taken at {at}")?;
        for waiter in all {
            if locks::waited_for(waiter.context()).is_some_and(|waited| waited.is(&lock)) {
                writeln!(out, "  {} waits", Who(waiter))?;
            }
        }
    }
    Ok(())
}
