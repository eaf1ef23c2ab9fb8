//! What the host took from the machine: nobody here is to blame for what
//! lasted meanwhile.
//!
//! The scheduler's timer is late only then, where it comes as FIQ: nothing
//! that the kernel does keeps it away.

use crate::cpus::{self, MAX_CPUS};
use crate::thread::ports;
use paddock_watchdog::StolenTime;

implements!(ports::timer_delayed, timer_delayed: fn(u64, u64));

static STOLEN: [StolenTime; MAX_CPUS] = [const { StolenTime::new() }; MAX_CPUS];

/// The scheduler's timer of the calling CPU was to come as FIQ at `due` and
/// does so at `now` (ns). Any context, interrupts masked.
#[unsafe(export_name = "paddock_thread_timer_delayed")]
fn timer_delayed(due: u64, now: u64) {
    STOLEN[cpus::this_cpu()].fired(due, now);
}

/// Of the time (ns) between `since` and `now`, what the calling CPU could run
/// in.
pub fn ran_here(since: u64, now: u64) -> u64 {
    let all = now.saturating_sub(since);
    all.saturating_sub(STOLEN[cpus::this_cpu()].between(since, now))
}

/// The same where it is not known which CPU it is about: the host usually
/// stops all of them.
pub fn ran(since: u64, now: u64) -> u64 {
    let all = now.saturating_sub(since);
    let cpus = STOLEN.iter().take(cpus::online());
    let stolen = cpus.map(|cpu| cpu.between(since, now)).max();
    all.saturating_sub(stolen.unwrap_or(0))
}

/// The most that was stolen from any CPU since boot, in nanoseconds.
pub fn total() -> u64 {
    let cpus = STOLEN.iter().take(cpus::online());
    cpus.map(StolenTime::total).max().unwrap_or(0)
}
