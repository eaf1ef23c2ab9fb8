//! The generic timer (Arm ARM D11): the clock, the scheduler's timer (CNTP,
//! PPI 30) and Embassy's timer (CNTV, PPI 27). Each timer has one type, and
//! that type one owner.

use super::thread_info::ThreadInfo;
use crate::config::MAX_CPUS;
use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTPCT_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0,
    Readable, Writeable,
};
use core::arch::asm;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};

const ENABLE: u64 = 1;
const NANOS: u64 = 1_000_000_000;

/// Counter values at which the clocks read zero, and the factors between
/// counts and nanoseconds, as 32.32 fixed point. Written once, early at boot.
static PHYSICAL_START: AtomicU64 = AtomicU64::new(0);
static VIRTUAL_START: AtomicU64 = AtomicU64::new(0);
static NANOS_PER_TICK: AtomicU64 = AtomicU64::new(0);
static TICKS_PER_NANO: AtomicU64 = AtomicU64::new(0);

/// Starts the clock at zero. Once, before anybody asks for the time.
pub fn init_clock() {
    let frequency = CNTFRQ_EL0.get().max(1);
    NANOS_PER_TICK.store(
        ((NANOS as u128) << 32).div_euclid(frequency as u128) as u64,
        Relaxed,
    );
    TICKS_PER_NANO.store(
        ((frequency as u128) << 32).div_euclid(NANOS as u128) as u64 + 1,
        Relaxed,
    );
    PHYSICAL_START.store(CNTPCT_EL0.get(), Relaxed);
    VIRTUAL_START.store(CNTVCT_EL0.get(), Relaxed);
}

/// Counts a second of the timers (CNTFRQ_EL0).
pub fn frequency() -> u64 {
    CNTFRQ_EL0.get()
}

fn barrier() {
    // SAFETY: orders the counter read (or timer write); nothing else.
    unsafe { asm!("isb", options(nostack, preserves_flags)) };
}

fn scale(value: u64, factor: &AtomicU64) -> u64 {
    ((value as u128 * factor.load(Relaxed) as u128) >> 32) as u64
}

/// Nanoseconds since boot. Any context.
#[inline]
pub fn now() -> u64 {
    barrier();
    at(count())
}

/// The physical counter, after all that came before. Any context.
#[inline]
pub fn count_now() -> u64 {
    barrier();
    count()
}

/// A difference of counts, in nanoseconds.
#[inline]
pub fn nanos(counts: u64) -> u64 {
    scale(counts, &NANOS_PER_TICK)
}

/// The physical counter. Cheap: it may be read a little early or late.
#[inline]
pub fn count() -> u64 {
    CNTPCT_EL0.get()
}

/// What [`now`] is made of: the physical counter when it read zero, and
/// nanoseconds a count, as 32.32 fixed point.
pub fn scale_of_clock() -> (u64, u64) {
    (PHYSICAL_START.load(Relaxed), NANOS_PER_TICK.load(Relaxed))
}

/// What [`now`] said when the physical counter was at `count`.
#[inline]
pub fn at(count: u64) -> u64 {
    scale(
        count.saturating_sub(PHYSICAL_START.load(Relaxed)),
        &NANOS_PER_TICK,
    )
}

/// The counter value that corresponds to a time, rounded up.
fn ticks(nanos: u64) -> u64 {
    scale(nanos, &TICKS_PER_NANO) + 1
}

/// Whether a timer's registers are as they are left for `deadline`, whose
/// counter value is `count`.
fn is_set(control: u64, compare: u64, deadline: u64, count: u64) -> bool {
    let enabled = control & ENABLE != 0;
    match deadline {
        u64::MAX => !enabled,
        _ => enabled && compare == count,
    }
}

/// Who has set a timer last: for reports. Each in a cache line of its own, as a
/// CPU sets its timer at every switch.
#[derive(Debug)]
#[repr(align(64))]
pub struct Setter {
    at: AtomicPtr<Location<'static>>,
    thread: AtomicPtr<ThreadInfo>,
}

impl Setter {
    const fn new() -> Self {
        Setter {
            at: AtomicPtr::new(ptr::null_mut()),
            thread: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[inline]
    #[track_caller]
    fn note(&self) {
        let (at, thread) = (Location::caller(), super::cpu::current());
        self.at.store(ptr::from_ref(at).cast_mut(), Relaxed);
        self.thread.store(ptr::from_ref(thread).cast_mut(), Relaxed);
    }

    /// Where it was set.
    pub fn at(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or set from a `&'static Location`.
        unsafe { self.at.load(Relaxed).as_ref() }
    }

    /// Whether the thread that begins with `thread` did it.
    pub fn is(&self, thread: &ThreadInfo) -> bool {
        ptr::eq(self.thread.load(Relaxed), thread)
    }
}

static SCHEDULER_SETTERS: [Setter; MAX_CPUS] = [const { Setter::new() }; MAX_CPUS];
static EMBASSY_SETTER: Setter = Setter::new();

/// The scheduler's timer: one deadline on each CPU.
#[derive(Debug)]
pub struct SchedulerTimer(());

/// Embassy's timer.
#[derive(Debug)]
pub struct EmbassyTimer(());

/// The two timers' owners' keys: to be taken once each.
pub const SCHEDULER: SchedulerTimer = SchedulerTimer(());
/// See [`SCHEDULER`].
pub const EMBASSY: EmbassyTimer = EmbassyTimer(());

impl SchedulerTimer {
    /// Its interrupt (PPI), per the usual binding; see the device tree.
    pub const INTERRUPT: u32 = 30;

    /// Fires at `deadline` (ns since boot) on this CPU; `u64::MAX` disables.
    #[track_caller]
    pub fn set(&self, deadline: u64) {
        #[cfg(feature = "test-kernel")]
        if injected::SHARED.load(Relaxed) {
            return EMBASSY.set(deadline);
        }
        self.setter().note();
        if deadline == u64::MAX {
            CNTP_CTL_EL0.set(0);
        } else {
            CNTP_CVAL_EL0.set(PHYSICAL_START.load(Relaxed).saturating_add(ticks(deadline)));
            CNTP_CTL_EL0.set(ENABLE);
        }
        barrier();
    }

    /// Who has set that of the calling CPU.
    pub fn setter(&self) -> &'static Setter {
        &SCHEDULER_SETTERS[super::cpu::current().cpu.load(Relaxed)]
    }

    /// Turns it off, whoever has set it.
    pub fn stop(&self) {
        CNTP_CTL_EL0.set(0);
        barrier();
    }

    /// Whether the timer is as [`Self::set`] with this deadline leaves it.
    pub fn is_set_to(&self, deadline: u64) -> bool {
        let count = PHYSICAL_START.load(Relaxed).saturating_add(ticks(deadline));
        is_set(CNTP_CTL_EL0.get(), CNTP_CVAL_EL0.get(), deadline, count)
    }
}

impl EmbassyTimer {
    /// Its interrupt (PPI).
    pub const INTERRUPT: u32 = 27;

    /// Nanoseconds since boot by the virtual counter.
    pub fn now(&self) -> u64 {
        barrier();
        scale(
            CNTVCT_EL0.get() - VIRTUAL_START.load(Relaxed),
            &NANOS_PER_TICK,
        )
    }

    /// Who has set it.
    pub fn setter(&self) -> &'static Setter {
        &EMBASSY_SETTER
    }

    /// Fires at `deadline` (ns since boot); `u64::MAX` disables the timer.
    #[track_caller]
    pub fn set(&self, deadline: u64) {
        EMBASSY_SETTER.note();
        if deadline == u64::MAX {
            CNTV_CTL_EL0.set(0);
        } else {
            CNTV_CVAL_EL0.set(VIRTUAL_START.load(Relaxed).saturating_add(ticks(deadline)));
            CNTV_CTL_EL0.set(ENABLE);
        }
        barrier();
    }

    /// Whether the timer is as [`Self::set`] with this deadline leaves it.
    pub fn is_set_to(&self, deadline: u64) -> bool {
        let count = VIRTUAL_START.load(Relaxed).saturating_add(ticks(deadline));
        is_set(CNTV_CTL_EL0.get(), CNTV_CVAL_EL0.get(), deadline, count)
    }
}

/// Mistakes that a test makes with the timers.
#[cfg(feature = "test-kernel")]
pub mod injected {
    use core::sync::atomic::AtomicBool;

    /// The scheduler sets Embassy's timer instead of its own.
    pub static SHARED: AtomicBool = AtomicBool::new(false);
    /// Embassy's timer stays as it is when there is no alarm left.
    pub static LEFT_ARMED: AtomicBool = AtomicBool::new(false);
}
