//! Embassy's time driver on the virtual timer (CNTV, PPI 27).
//!
//! The queue has no fixed number of slots, and with nothing in it the timer
//! is disabled rather than left at an old deadline.

use super::ports;
use crate::arch::timers;
use crate::cpus::{self, Ipi};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::task::Waker;
use embassy_time_driver::{Driver, TICK_HZ};
use paddock_sync::{IrqGuard, Rank, SpinLock};

/// The CPU whose virtual timer is used.
const BOOT_CPU: usize = 0;

const NANOS_PER_TICK: u64 = 1_000_000_000 / TICK_HZ;

struct Alarm {
    at: u64,
    waker: Waker,
}

/// Who is to be woken when, and what the timer is armed for.
struct Alarms {
    queue: Vec<Alarm>,
    armed: u64,
}

struct KernelTime {
    alarms: SpinLock<Alarms>,
}

/// The earliest alarm (ns), as of the last change: a hint for [`latest_alarm`].
static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);

embassy_time_driver::time_driver_impl!(static TIME: KernelTime = KernelTime {
    alarms: SpinLock::new(Rank::TimeQueue, Alarms { queue: Vec::new(), armed: u64::MAX }),
});

impl Driver for KernelTime {
    fn now(&self) -> u64 {
        timers::EMBASSY.now() / NANOS_PER_TICK
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        let mut alarms = self.alarms.lock();
        let queue = &mut alarms.queue;
        if let Some(alarm) = queue.iter_mut().find(|alarm| alarm.waker.will_wake(waker)) {
            alarm.at = alarm.at.min(at);
        } else if queue.try_reserve(1).is_ok() {
            queue.push(Alarm {
                at,
                waker: waker.clone(),
            });
        } else {
            // Without memory for the alarm the task is woken at once: early
            // and wasteful, but never late for ever.
            drop(alarms);
            waker.wake_by_ref();
            return;
        }
        rearm(&mut alarms);
    }
}

impl Alarms {
    /// The earliest alarm, in nanoseconds of the virtual counter.
    fn next(&self) -> u64 {
        let next = self.queue.iter().map(|alarm| alarm.at).min();
        next.map_or(u64::MAX, |at| at.saturating_mul(NANOS_PER_TICK))
    }
}

/// The timer is the boot CPU's: another CPU calls it if the timer would fire
/// too late. One that fires too early finds nothing due and is set anew.
fn rearm(alarms: &mut Alarms) {
    let next = alarms.next();
    NEXT.store(next, Relaxed);
    #[cfg(feature = "test-kernel")]
    if next == u64::MAX && timers::injected::LEFT_ARMED.load(Relaxed) {
        return;
    }
    if cpus::this_cpu() == BOOT_CPU {
        alarms.armed = next;
        timers::EMBASSY.set(next);
    } else if next < alarms.armed {
        cpus::send(BOOT_CPU, Ipi::Alarm);
    }
}

/// How late (ns) an alarm may be before somebody asks why.
pub const LATE_NS: u64 = 500_000_000;

/// Until when (ns since boot) the main loop may sleep: until the earliest
/// alarm must have gone off.
#[inline]
pub fn latest_alarm() -> u64 {
    NEXT.load(Relaxed).saturating_add(LATE_NS)
}

/// Whoever may have slept until [`latest_alarm`] has been woken. Thread context.
#[inline]
pub fn woke() {
    if timers::now() >= latest_alarm() {
        look_at_alarms();
    }
}

/// An alarm should have gone off: has the boot CPU look at its timer. Thread
/// context.
fn look_at_alarms() {
    let _masked = IrqGuard::new();
    if cpus::this_cpu() == BOOT_CPU {
        on_alarm_call();
    } else {
        cpus::send(BOOT_CPU, Ipi::Alarm);
    }
}

/// Another CPU has an earlier alarm, or has missed one. On the boot CPU,
/// interrupts masked.
pub fn on_alarm_call() {
    let armed = TIME.alarms.lock().armed;
    ports::alarm_is_missed(armed);
    wake_due();
}

/// PPI 27: wakes what is due. Interrupt context, on the boot CPU.
pub fn on_interrupt() {
    let armed = TIME.alarms.lock().armed;
    ports::alarm_fired(armed);
    let woken = wake_due();
    if ports::alarm_served(woken) {
        let mut alarms = TIME.alarms.lock();
        alarms.armed = alarms.next();
        timers::EMBASSY.set(alarms.armed);
    }
}

/// Wakes what is due, and sets the timer for the rest; how many were woken.
fn wake_due() -> usize {
    let mut woken = 0;
    loop {
        let mut alarms = TIME.alarms.lock();
        let now = TIME.now();
        let due = alarms.queue.iter().position(|alarm| alarm.at <= now);
        let Some(index) = due else {
            rearm(&mut alarms);
            return woken;
        };
        let alarm = alarms.queue.swap_remove(index);
        drop(alarms);
        alarm.waker.wake();
        woken += 1;
    }
}
