//! Who looks at a CPU that takes no interrupts: the others, from their timer
//! interrupts. One that is idle has none; so while any CPU is busy, the idle
//! ones look every now and then, and a CPU that leaves idleness while all
//! others are idle tells one of them. A machine that is idle takes no timer
//! interrupts at all.

use super::settings;
use crate::cpus::{self, Ipi, MAX_CPUS};
use crate::thread::{self, ports};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

implements!(ports::left_idle, left_idle: fn(usize));
implements!(ports::watch_while_idle, watch_while_idle: fn(usize) -> u64);

/// How often (ns) an idle CPU looks at the busy ones, at least.
pub const LOOK_NS: u64 = 500_000_000;

/// When (ns) each CPU looks next while it is idle.
static LOOKS_AT: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(u64::MAX) }; MAX_CPUS];

fn others(here: usize) -> impl Iterator<Item = usize> {
    (0..cpus::online()).filter(move |&cpu| cpu != here)
}

/// Until when (ns) the timer of the CPU `here`, which is idle, has to fire;
/// `u64::MAX` if nobody needs to be looked at. Interrupts are masked.
#[unsafe(export_name = "paddock_thread_watch_while_idle")]
fn watch_while_idle(here: usize) -> u64 {
    if others(here).all(thread::is_idle) {
        LOOKS_AT[here].store(u64::MAX, Relaxed);
        return u64::MAX;
    }
    let now = crate::time::now();
    let due = LOOKS_AT[here].load(Relaxed);
    if due > now && due != u64::MAX {
        return due;
    }
    let due = now + LOOK_NS.min(settings::limits().report);
    LOOKS_AT[here].store(due, Relaxed);
    due
}

/// The CPU `here` is busy from now on. Interrupts are masked.
#[unsafe(export_name = "paddock_thread_left_idle")]
fn left_idle(here: usize) {
    let now = crate::time::now();
    let looks = |cpu: usize| {
        let due = LOOKS_AT[cpu].load(Relaxed);
        !thread::is_idle(cpu) || due > now && due != u64::MAX
    };
    if others(here).any(looks) {
        return;
    }
    if let Some(cpu) = others(here).next() {
        cpus::send(cpu, Ipi::Reschedule);
    }
}
