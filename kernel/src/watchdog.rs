//! The watchdog (SPEC S6): notices from the timer interrupt that preemption
//! has been off for too long, and says who, where, and for what.

use crate::config::{WATCHDOG_REPORT_NS, WATCHDOG_WARNING_NS};
use crate::console::safe_println;
use crate::{backtrace, main_loop, thread};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_sync::{LockMeta, platform};

/// Start (ns) of the section last warned of, and of the one last reported.
static WARNED: AtomicU64 = AtomicU64::new(u64::MAX);
static REPORTED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Looks at the interrupted code's section without preemption. From the
/// timer interrupt; takes no lock.
pub fn check(now: u64) {
    let Some((at, since)) = platform::context().section() else {
        return;
    };
    let off_for = now.saturating_sub(since);
    if off_for > WATCHDOG_REPORT_NS && REPORTED.swap(since, Relaxed) != since {
        safe_println!(
            "watchdog: preemption off for {} ms since {at}",
            off_for / 1_000_000
        );
        report();
    } else if off_for > WATCHDOG_WARNING_NS && WARNED.swap(since, Relaxed) != since {
        safe_println!(
            "watchdog: warning: preemption off for {} ms since {at}",
            off_for / 1_000_000
        );
    }
}

fn report() {
    let current = thread::current();
    safe_println!("watchdog: main loop step: {:?}", main_loop::current_step());
    safe_println!("watchdog: thread {:#x}", current.id().to_u64());
    if let Some(lock) = platform::context().waiting_for() {
        report_lock(lock);
    }
    backtrace::print(backtrace::of_interrupted());
}

fn report_lock(lock: &LockMeta) {
    safe_println!("watchdog: waits for the lock {:?}", lock.rank());
    if let Some(at) = lock.taken_at() {
        safe_println!("watchdog: which context {:p} took at {at}", lock.holder());
    }
}
