//! Embassy's time driver on the virtual timer (CNTV, PPI 27).
//!
//! The queue has no fixed number of slots, and with nothing in it the timer
//! is disabled rather than left at an old deadline.

use crate::arch::timers;
use alloc::vec::Vec;
use core::task::Waker;
use embassy_time_driver::{Driver, TICK_HZ};
use paddock_sync::{Rank, SpinLock};

const NANOS_PER_TICK: u64 = 1_000_000_000 / TICK_HZ;

struct Alarm {
    at: u64,
    waker: Waker,
}

struct KernelTime {
    alarms: SpinLock<Vec<Alarm>>,
}

embassy_time_driver::time_driver_impl!(static TIME: KernelTime = KernelTime {
    alarms: SpinLock::new(Rank::TimeQueue, Vec::new()),
});

impl Driver for KernelTime {
    fn now(&self) -> u64 {
        timers::EMBASSY.now() / NANOS_PER_TICK
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        let mut alarms = self.alarms.lock();
        if let Some(alarm) = alarms.iter_mut().find(|alarm| alarm.waker.will_wake(waker)) {
            alarm.at = alarm.at.min(at);
        } else if alarms.try_reserve(1).is_ok() {
            alarms.push(Alarm {
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
        rearm(&alarms);
    }
}

fn rearm(alarms: &[Alarm]) {
    let next = alarms.iter().map(|alarm| alarm.at).min();
    timers::EMBASSY.set(next.map_or(u64::MAX, |at| at.saturating_mul(NANOS_PER_TICK)));
}

/// PPI 27: wakes what is due. Interrupt context.
pub fn on_interrupt() {
    loop {
        let mut alarms = TIME.alarms.lock();
        let now = TIME.now();
        let due = alarms.iter().position(|alarm| alarm.at <= now);
        let Some(index) = due else {
            rearm(&alarms);
            return;
        };
        let alarm = alarms.swap_remove(index);
        drop(alarms);
        alarm.waker.wake();
    }
}
