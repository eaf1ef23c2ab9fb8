//! Mistakes with the two timers.

use super::in_a_task;
use crate::arch::cpu;
use crate::arch::timers::{EmbassyTimer, SchedulerTimer, injected};
use crate::gic;
use crate::thread;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::sync::atomic::Ordering::Relaxed;
use core::task::Waker;
use embassy_time::{Duration, Instant};
use paddock_sched::CpuMask;

/// Long enough for another CPU's alarm to reach the timer.
const SOON_MS: u64 = 50;

pub fn conflict() {
    injected::SHARED.store(true, Relaxed);
    thread::sleep_ms(1);
}

/// PPI 27 is not enabled on the boot CPU, whose it is.
pub fn interrupt_off() {
    thread::current().set_affinity(CpuMask::only(0));
    thread::yield_now();
    gic::disable(EmbassyTimer::INTERRUPT);
    in_a_task(|| set_alarm(SOON_MS, || log::warn!("mistake: an alarm went off")));
}

/// PPI 30 is not enabled on the boot CPU. Alarms still go off.
pub fn scheduler_interrupt_off() {
    thread::current().set_affinity(CpuMask::only(0));
    thread::yield_now();
    gic::disable(SchedulerTimer::INTERRUPT);
    for milliseconds in [700, 1400, 2100, 2800] {
        set_alarm(milliseconds, || {});
    }
    thread::sleep_ms(10);
}

/// The last alarm goes off, and the timer stays armed for it.
pub fn storm() {
    injected::LEFT_ARMED.store(true, Relaxed);
    set_alarm(SOON_MS, || {});
}

/// A handler does not return.
pub fn endless_interrupt() {
    set_alarm(SOON_MS, || {
        log::warn!("scene: endless interrupt");
        loop {
            cpu::relax();
        }
    });
}

/// Has Embassy's timer call `work`, in an interrupt.
#[allow(clippy::disallowed_methods, reason = "only in the test kernel")]
pub fn set_alarm(milliseconds: u64, work: fn()) {
    struct Work(fn());
    impl Wake for Work {
        fn wake(self: Arc<Self>) {
            self.0();
        }
    }
    let waker = Waker::from(Arc::new(Work(work)));
    let at = Instant::now() + Duration::from_millis(milliseconds);
    embassy_time_driver::schedule_wake(at.as_ticks(), &waker);
}
