//! What a process's CPU time sets off: the interval timers of setitimer(2) that
//! count it, `RLIMIT_CPU`, sleeps on CPU clocks (clock_nanosleep(2)), and timers of
//! timer_create(2) on these.

use alloc::vec::Vec;
use paddock_abi::time::NANOS;
use paddock_abi::{Errno, Result};

/// CPU time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
}

impl CpuTimes {
    /// Both together.
    pub fn total(&self) -> u64 {
        self.user.saturating_add(self.system)
    }

    /// That in user mode, or all.
    pub fn of(&self, user_only: bool) -> u64 {
        match user_only {
            true => self.user,
            false => self.total(),
        }
    }
}

/// Which interval timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuTimer {
    /// `ITIMER_VIRTUAL`: time in user mode.
    Virtual,
    /// `ITIMER_PROF`: all time.
    Profiling,
}

impl CpuTimer {
    fn reading(self, now: &CpuTimes) -> u64 {
        match self {
            CpuTimer::Virtual => now.user,
            CpuTimer::Profiling => now.total(),
        }
    }
}

/// A timer's setting, in nanoseconds of its clock: what is left (0: it is off),
/// and the interval (0: it fires once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until it fires.
    pub value: u64,
    /// From then on.
    pub interval: u64,
}

#[derive(Debug, Default)]
struct Timer {
    /// When it fires, by its clock; `None` if it is off.
    due: Option<u64>,
    interval: u64,
}

impl Timer {
    /// Whether the timer has come, once or more often; it is set anew.
    fn fire(&mut self, reading: u64) -> bool {
        let Some(due) = self.due.filter(|&due| due <= reading) else {
            return false;
        };
        self.due = match self.interval {
            0 => None,
            interval => {
                let missed = (reading - due) / interval + 1;
                Some(due.saturating_add(missed.saturating_mul(interval)))
            }
        };
        true
    }

    fn setting(&self, reading: u64) -> Setting {
        Setting {
            // A timer that runs is never told as one that is off.
            value: self
                .due
                .map_or(0, |due| due.saturating_sub(reading).max(1_000)),
            interval: self.interval,
        }
    }
}

/// What becomes of a process at its `RLIMIT_CPU`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuLimit {
    /// Neither limit is reached.
    #[default]
    Within,
    /// The soft one is: `SIGXCPU`, and again in a second, which is the new
    /// soft limit.
    Soft(u64),
    /// The hard one is: `SIGKILL`.
    Hard,
}

/// What has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// `SIGVTALRM`.
    pub virtual_timer: bool,
    /// `SIGPROF`.
    pub profiling_timer: bool,
    /// `RLIMIT_CPU`.
    pub limit: CpuLimit,
    /// Whether sleepers are to look again.
    pub sleepers: bool,
    /// The process may run for so long (ns) before anything else can come;
    /// `None` if nothing is awaited.
    pub quiet: Option<u64>,
}

/// Which of a process's CPU clocks (clock_getcpuclockid(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// That of one thread, by its number; else of all together.
    pub thread: Option<u32>,
    /// Time in user mode only.
    pub user_only: bool,
}

/// A timer on one of them: it comes once, and is set anew by whoever it comes to.
#[derive(Debug)]
struct Clocked<T> {
    key: u64,
    clock: Measured,
    due: u64,
    timer: T,
}

/// The timers of a process; `T` are those of timer_create(2).
#[derive(Debug)]
pub struct CpuTimers<T> {
    virtual_timer: Timer,
    profiling_timer: Timer,
    /// Sleeps: their keys, and the time of the process before which they
    /// cannot end.
    sleeps: Vec<(u64, u64)>,
    clocked: Vec<Clocked<T>>,
    last_key: u64,
}

impl<T> Default for CpuTimers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> CpuTimers<T> {
    /// None runs.
    pub const fn new() -> CpuTimers<T> {
        const OFF: Timer = Timer {
            due: None,
            interval: 0,
        };
        CpuTimers {
            virtual_timer: OFF,
            profiling_timer: OFF,
            sleeps: Vec::new(),
            clocked: Vec::new(),
            last_key: 0,
        }
    }

    fn timer(&mut self, which: CpuTimer) -> &mut Timer {
        match which {
            CpuTimer::Virtual => &mut self.virtual_timer,
            CpuTimer::Profiling => &mut self.profiling_timer,
        }
    }

    /// A timer's setting.
    pub fn get(&mut self, which: CpuTimer, now: &CpuTimes) -> Setting {
        let reading = which.reading(now);
        self.timer(which).setting(reading)
    }

    /// Sets a timer; the former setting.
    pub fn set(&mut self, which: CpuTimer, new: Setting, now: &CpuTimes) -> Setting {
        let old = self.get(which, now);
        let due = which.reading(now).saturating_add(new.value);
        *self.timer(which) = Timer {
            due: (new.value > 0).then_some(due),
            interval: new.interval,
        };
        old
    }

    /// Notes a sleep that cannot end before the process has used `total`
    /// nanoseconds: a key for [`Self::sleeps`] and [`Self::forget_sleep`].
    /// `ENOMEM`.
    pub fn sleep(&mut self, total: u64) -> Result<u64> {
        self.sleeps.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.last_key += 1;
        self.sleeps.push((self.last_key, total));
        Ok(self.last_key)
    }

    /// Whether that sleep's time has not come.
    pub fn sleeps(&self, key: u64) -> bool {
        self.sleeps.iter().any(|&(other, _)| other == key)
    }

    /// Forgets a sleep.
    pub fn forget_sleep(&mut self, key: u64) {
        self.sleeps.retain(|&(other, _)| other != key);
    }

    /// Adds the timer of number `key`, of which there is none, for when `clock` reads `due`.
    /// `ENOMEM`.
    pub fn arm(&mut self, key: u64, clock: Measured, due: u64, timer: T) -> Result<()> {
        self.clocked.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.clocked.push(Clocked {
            key,
            clock,
            due,
            timer,
        });
        Ok(())
    }

    /// Takes that timer out, if it has not come.
    pub fn disarm(&mut self, key: u64) -> Option<T> {
        let at = self.clocked.iter().position(|timer| timer.key == key)?;
        Some(self.clocked.swap_remove(at).timer)
    }

    /// Takes a timer out that has come; `reading` is what a clock shows.
    pub fn take_due(&mut self, reading: impl Fn(Measured) -> u64) -> Option<T> {
        let is_due = |timer: &Clocked<T>| timer.due <= reading(timer.clock);
        let at = self.clocked.iter().position(is_due)?;
        Some(self.clocked.swap_remove(at).timer)
    }

    /// How long (ns) the process may run before one of them can come; `None` for ever.
    pub fn clocked_quiet(&self, reading: impl Fn(Measured) -> u64) -> Option<u64> {
        let left = |timer: &Clocked<T>| timer.due.saturating_sub(reading(timer.clock));
        self.clocked.iter().map(left).min()
    }

    /// What has come by `now`, with `RLIMIT_CPU` at (soft, hard) seconds.
    pub fn check(&mut self, now: &CpuTimes, limit: (u64, u64)) -> Due {
        let total = now.total();
        let before = self.sleeps.len();
        self.sleeps.retain(|&(_, due)| due > total);
        let (limit, next_limit) = check_limit(total, limit);
        let mut due = Due {
            virtual_timer: self.virtual_timer.fire(now.user),
            profiling_timer: self.profiling_timer.fire(total),
            limit,
            sleepers: self.sleeps.len() < before,
            quiet: None,
        };
        let until = |at: Option<u64>, reading: u64| at.map(|at| at.saturating_sub(reading));
        due.quiet = [
            until(self.virtual_timer.due, now.user),
            until(self.profiling_timer.due, total),
            until(next_limit, total),
            until(self.sleeps.iter().map(|&(_, due)| due).min(), total),
        ]
        .into_iter()
        .flatten()
        .min();
        due
    }
}

/// Where `total` stands, and when (ns) the next limit is reached.
fn check_limit(total: u64, (soft, hard): (u64, u64)) -> (CpuLimit, Option<u64>) {
    // A limit of no time at all is one of a second, as on Linux.
    let at = |seconds: u64| seconds.max(1).checked_mul(NANOS);
    let reached = |seconds: u64| at(seconds).is_some_and(|at| total >= at);
    if reached(hard) {
        return (CpuLimit::Hard, None);
    }
    if !reached(soft) {
        return (CpuLimit::Within, at(soft.min(hard)));
    }
    let next = soft.max(1).max(total / NANOS) + 1;
    (CpuLimit::Soft(next), at(next.min(hard)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: (u64, u64) = (u64::MAX, u64::MAX);

    fn times(user: u64, system: u64) -> CpuTimes {
        CpuTimes { user, system }
    }

    #[test]
    fn each_timer_has_its_own_clock() {
        let mut timers = CpuTimers::<()>::new();
        let new = Setting {
            value: 100,
            interval: 0,
        };
        timers.set(CpuTimer::Virtual, new, &times(1000, 0));
        timers.set(CpuTimer::Profiling, new, &times(1000, 0));
        let due = timers.check(&times(1000, 99), NONE);
        assert!(!due.virtual_timer && !due.profiling_timer);
        assert_eq!(due.quiet, Some(1));
        let due = timers.check(&times(1000, 100), NONE);
        assert!(!due.virtual_timer && due.profiling_timer);
        assert_eq!(due.quiet, Some(100));
        let due = timers.check(&times(1100, 100), NONE);
        assert!(due.virtual_timer && !due.profiling_timer);
        assert_eq!(due.quiet, None);
    }

    #[test]
    fn the_soft_limit_is_told_of_each_second_and_the_hard_one_is_the_end() {
        let mut timers = CpuTimers::<()>::new();
        let limit = |timers: &mut CpuTimers<()>, ms: u64, limit| {
            let due = timers.check(&times(ms * 1_000_000, 0), limit);
            (due.limit, due.quiet.map(|ns| ns / 1_000_000))
        };
        assert_eq!(limit(&mut timers, 999, (1, 3)), (CpuLimit::Within, Some(1)));
        assert_eq!(
            limit(&mut timers, 1001, (1, 3)),
            (CpuLimit::Soft(2), Some(999))
        );
        assert_eq!(
            limit(&mut timers, 1500, (2, 3)),
            (CpuLimit::Within, Some(500))
        );
        assert_eq!(
            limit(&mut timers, 2500, (2, 3)),
            (CpuLimit::Soft(3), Some(500))
        );
        assert_eq!(limit(&mut timers, 3000, (3, 3)), (CpuLimit::Hard, None));
        assert_eq!(limit(&mut timers, 1, (0, 9)), (CpuLimit::Within, Some(999)));
    }

    #[test]
    fn a_timer_on_a_clock_comes_when_that_reads_so() {
        let mut timers = CpuTimers::new();
        let clock = |thread| Measured {
            thread,
            user_only: false,
        };
        timers.arm(1, clock(None), 100, "all").unwrap();
        timers.arm(2, clock(Some(7)), 50, "one").unwrap();
        let at = |all: u64, one: u64| {
            move |clock: Measured| match clock.thread {
                Some(_) => one,
                None => all,
            }
        };
        assert_eq!(timers.clocked_quiet(at(90, 10)), Some(10));
        assert_eq!(timers.take_due(at(99, 49)), None);
        assert_eq!(timers.take_due(at(99, 50)), Some("one"));
        assert_eq!(timers.take_due(at(100, 50)), Some("all"));
        assert_eq!(timers.clocked_quiet(at(100, 50)), None);
        timers.arm(3, clock(None), 1, "gone").unwrap();
        assert_eq!((timers.disarm(3), timers.disarm(3)), (Some("gone"), None));
    }

    #[test]
    fn a_sleep_ends_once() {
        let mut timers = CpuTimers::<()>::new();
        let key = timers.sleep(50).unwrap();
        let due = timers.check(&times(20, 20), NONE);
        assert!(!due.sleepers && timers.sleeps(key));
        assert_eq!(due.quiet, Some(10));
        let due = timers.check(&times(30, 20), NONE);
        assert!(due.sleepers && !timers.sleeps(key));
        assert!(!timers.check(&times(90, 20), NONE).sleepers);
    }

    proptest! {
        #[test]
        fn a_timer_fires_at_its_times_and_at_no_other(
            value in 1..1000u64,
            interval in 0..50u64,
            steps in prop::collection::vec(0..80u64, 1..60),
        ) {
            let mut timers = CpuTimers::<()>::new();
            let new = Setting { value, interval };
            timers.set(CpuTimer::Profiling, new, &times(0, 0));
            let (mut now, mut quiet) = (0, Some(value));
            for step in steps {
                let before = now;
                now += step;
                let came = |due: u64| due > before && due <= now;
                let expected = match interval {
                    0 => came(value),
                    _ => (0..).map(|n| value + n * interval).take_while(|&due| due <= now).any(came),
                };
                let due = timers.check(&times(now, 0), NONE);
                prop_assert_eq!(due.profiling_timer, expected);
                if expected {
                    prop_assert!(quiet.is_some_and(|quiet| quiet <= step));
                }
                quiet = due.quiet;
                prop_assert!(quiet.is_none_or(|quiet| quiet > 0));
            }
        }
    }
}
