//! The two timers: each is set by its owner alone, fires when something is
//! due, and is not late.

use super::{Missing, missing};
use crate::arch::timers::{self, EmbassyTimer, SchedulerTimer, Setter};
use crate::cpus::MAX_CPUS;
use crate::thread::{self, ports};
use crate::time::{self, LATE_NS};
use crate::watchdog::{self, At, Doing, Kind, Who};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use paddock_detectors::{Misses, Useless};

implements!(time::ports::alarm_is_missed, alarm_is_missed: fn(u64));
implements!(time::ports::alarm_fired, alarm_fired: fn(u64));
implements!(time::ports::alarm_served, alarm_served: fn(usize) -> bool);
implements!(ports::timer_came, scheduler_came: fn(usize));
implements!(ports::timer_fired, scheduler_fired: fn(u64));
implements!(ports::timer_is_late, scheduler_is_late: fn(usize, u64) -> bool);

/// A timer that has one owner.
trait OwnedTimer {
    /// What it is called in reports.
    const NAME: &'static str;
    /// Whether it is as its owner has set it, for `deadline`.
    fn is_set_to(&self, deadline: u64) -> bool;
    /// Who has set it.
    fn setter(&self) -> &'static Setter;
    /// Whether somebody was told that it is not.
    fn told() -> &'static AtomicBool;
}

impl OwnedTimer for SchedulerTimer {
    const NAME: &'static str = "the scheduler's timer";
    fn is_set_to(&self, deadline: u64) -> bool {
        SchedulerTimer::is_set_to(self, deadline)
    }
    fn setter(&self) -> &'static Setter {
        SchedulerTimer::setter(self)
    }
    fn told() -> &'static AtomicBool {
        static TOLD: AtomicBool = AtomicBool::new(false);
        &TOLD
    }
}

impl OwnedTimer for EmbassyTimer {
    const NAME: &'static str = "Embassy's timer";
    fn is_set_to(&self, deadline: u64) -> bool {
        EmbassyTimer::is_set_to(self, deadline)
    }
    fn setter(&self) -> &'static Setter {
        EmbassyTimer::setter(self)
    }
    fn told() -> &'static AtomicBool {
        static TOLD: AtomicBool = AtomicBool::new(false);
        &TOLD
    }
}

/// Embassy's timer has fired, set to `armed`: the scheduler's may be missing.
/// Interrupt context.
#[unsafe(export_name = "paddock_time_alarm_fired")]
fn alarm_fired(armed: u64) {
    check_owner(&timers::EMBASSY, armed);
    thread::catch_up();
}

/// The scheduler's timer has fired, set to `armed`. Interrupt context.
#[unsafe(export_name = "paddock_thread_timer_fired")]
fn scheduler_fired(armed: u64) {
    check_owner(&timers::SCHEDULER, armed);
}

/// A timer has fired that its owner had set to `deadline` (ns since boot) on
/// this CPU. Interrupt context.
#[inline]
fn check_owner<T: OwnedTimer>(timer: &T, deadline: u64) {
    if !timer.is_set_to(deadline) {
        report_conflict(timer, deadline);
    }
}

#[cold]
fn report_conflict<T: OwnedTimer>(timer: &T, deadline: u64) {
    if T::told().swap(true, Relaxed) {
        return;
    }
    let name = T::NAME;
    watchdog::report(
        Kind::TimerConflict,
        name.as_ptr().addr() as u64,
        format_args!(
            "{name} has fired, set {}, who does not own it; its owner had {}",
            SetBy(timer.setter()),
            Setting(deadline)
        ),
    );
}

/// Who has set a timer, and where.
struct SetBy(&'static Setter);

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} by ", At(self.0.at()))?;
        thread::inspect(|threads| {
            let mut all = threads.iter();
            match all.find(|thread| self.0.is(thread)) {
                Some(thread) => Who(thread).fmt(f),
                None => f.write_str("an idle cpu or a thread that has ended"),
            }
        })
    }
}

/// What an owner did with its timer.
struct Setting(u64);

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => f.write_str("turned it off"),
            deadline => write!(f, "set it to {} us", deadline / 1000),
        }
    }
}

/// Embassy's timer has fired and `woken` tasks were due. Reports a storm: then
/// the timer must be set anew, whatever was done to it. Interrupt context.
#[unsafe(export_name = "paddock_time_alarm_served")]
fn alarm_served(woken: usize) -> bool {
    static USELESS: Useless = Useless::new();
    MISSED_ALARMS.came();
    if woken != 0 {
        USELESS.useful();
        return false;
    }
    let Some(storm) = USELESS.note(time::now()) else {
        return false;
    };
    watchdog::report(
        Kind::InterruptStorm,
        u64::from(EmbassyTimer::INTERRUPT),
        format_args!(
            "Embassy's timer (interrupt {}) has fired {} times in {} us with no alarm due: it was left armed; set anew",
            EmbassyTimer::INTERRUPT,
            storm.count,
            storm.nanos / 1000
        ),
    );
    true
}

/// How often in a row each CPU's scheduler timer did not come, and Embassy's.
static MISSED_TICKS: [Misses; MAX_CPUS] = [const { Misses::new() }; MAX_CPUS];
static MISSED_ALARMS: Misses = Misses::new();

/// The interrupt of the scheduler's timer of CPU `cpu` has come.
#[unsafe(export_name = "paddock_thread_timer_came")]
fn scheduler_came(cpu: usize) {
    MISSED_TICKS[cpu].came();
}

/// The scheduler's timer of CPU `cpu`, the calling one, was to fire at `due`
/// (ns since boot; 0 if it is off or has fired): whether it is late and will
/// not come by itself, reported with the reason. Interrupt context.
#[unsafe(export_name = "paddock_thread_timer_is_late")]
fn scheduler_is_late(cpu: usize, due: u64) -> bool {
    let late = time::now().saturating_sub(due);
    if due == 0 || late < LATE_NS {
        return false;
    }
    is_missing(
        format_args!("the scheduler's timer of cpu {cpu}"),
        SchedulerTimer::INTERRUPT,
        late,
        &MISSED_TICKS[cpu],
    )
}

/// Whether a late interrupt will not come by itself; reported once that is sure.
#[cold]
fn is_missing(what: fmt::Arguments<'_>, interrupt: u32, late: u64, misses: &Misses) -> bool {
    let late = late / 1_000_000;
    match missing(interrupt, misses) {
        Missing::UnderWay => return false,
        Missing::Perhaps => {}
        Missing::For(why) => watchdog::report(
            Kind::TimerConflict,
            u64::from(interrupt),
            format_args!(
                "{what} is {late} ms late: interrupt {interrupt} {why}; noticed in {}",
                Doing
            ),
        ),
    }
    true
}

/// Somebody misses an alarm, or has set an earlier one: whether the timer,
/// set to `deadline`, is late, and why. On the CPU that the timer is of.
#[unsafe(export_name = "paddock_time_alarm_is_missed")]
fn alarm_is_missed(deadline: u64) {
    let late = time::now().saturating_sub(deadline);
    if late < LATE_NS {
        return;
    }
    let what = format_args!("an alarm of Embassy's timer");
    // Whoever asks serves the alarm itself.
    let _missing = is_missing(what, EmbassyTimer::INTERRUPT, late, &MISSED_ALARMS);
}
