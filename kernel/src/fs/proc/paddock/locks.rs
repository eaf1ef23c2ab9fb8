//! `/proc/paddock/locks`: the sleeping locks that are held, by whom, and who
//! waits for them.

use super::super::text::Text;
use super::threads;
use crate::thread::Thread;
use crate::watchdog::{Who, locks};
use alloc::sync::Arc;
use paddock_abi::Result;

/// A line for each lock: what it is, who holds it, and where it was taken;
/// below, indented, those who wait for it.
pub fn show(out: &mut Text<'_>) -> Result<()> {
    let all = threads::snapshot()?;
    for holder in &all {
        for lock in locks::held(holder.context()).filter(locks::Lock::sleeps) {
            out.put(format_args!(
                "{lock} held by {}, taken at {}\n",
                Who(holder),
                lock.taken_at()
            ))?;
            show_waiters(out, &all, &lock)?;
        }
    }
    Ok(())
}

fn show_waiters(out: &mut Text<'_>, all: &[Arc<Thread>], lock: &locks::Lock) -> Result<()> {
    for waiter in all {
        if locks::waited_for(waiter.context()).is_some_and(|waited| waited.is(lock)) {
            out.put(format_args!("  {} waits\n", Who(waiter)))?;
        }
    }
    Ok(())
}
