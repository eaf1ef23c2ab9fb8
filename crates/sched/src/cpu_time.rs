//! [`CpuTime`]: how long a thread has run, in user mode and in the kernel.
//!
//! Both figures are kept as sums of counter readings: what begins is taken
//! off, what ends is put on. While a stretch lasts, its sum lacks the reading
//! of its end and is negative; so one word tells what has been used and whether
//! it is being used, and one load, one addition and one store change it.

use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Time of one thread, in counts of the machine's counter.
///
/// Written by the thread's own CPU alone; read by all.
#[derive(Debug, Default)]
#[repr(C)]
pub struct CpuTime {
    /// In user mode. The exception vectors change it in place
    /// ([`Self::USER_OFFSET`]).
    user: AtomicI64,
    /// On a CPU.
    run: AtomicI64,
}

/// A reading, in counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In user mode.
    pub user: u64,
    /// On a CPU: user mode and kernel.
    pub run: u64,
}

/// How often a reading begins anew that a change overtook.
const ATTEMPTS: u32 = 16;

impl CpuTime {
    /// Where the vectors find the time in user mode.
    pub const USER_OFFSET: usize = core::mem::offset_of!(CpuTime, user);

    /// Nothing used.
    pub const fn new() -> CpuTime {
        CpuTime {
            user: AtomicI64::new(0),
            run: AtomicI64::new(0),
        }
    }

    fn begin(sum: &AtomicI64, count: u64) {
        sum.store(sum.load(Relaxed).wrapping_sub(count as i64), Relaxed);
    }

    fn end(sum: &AtomicI64, count: u64) {
        sum.store(sum.load(Relaxed).wrapping_add(count as i64), Relaxed);
    }

    /// A switch to the thread, at this reading of the counter.
    pub fn switch_in(&self, count: u64) {
        Self::begin(&self.run, count);
    }

    /// A switch away from the thread.
    pub fn switch_out(&self, count: u64) {
        Self::end(&self.run, count);
    }

    /// The way to user mode, as the vectors do it.
    pub fn enter_user(&self, count: u64) {
        Self::begin(&self.user, count);
    }

    /// The way from user mode, as the vectors do it.
    pub fn leave_user(&self, count: u64) {
        Self::end(&self.user, count);
    }

    /// What has been used by now. `counter` reads the counter after all that
    /// came before. Any context, from any CPU.
    pub fn read(&self, counter: impl Fn() -> u64) -> Counts {
        let sums = || (self.user.load(Relaxed), self.run.load(Relaxed));
        let mut before = sums();
        for _ in 0..ATTEMPTS {
            let count = counter();
            let after = sums();
            if before == after {
                return Self::complete(after, count);
            }
            before = after;
        }
        Self::complete(before, counter())
    }

    /// Adds the reading that a sum lacks. The counter of another CPU, or one
    /// that was read a little early, makes nothing negative.
    fn complete((user, run): (i64, i64), count: u64) -> Counts {
        let until = |sum: i64| match sum {
            0.. => sum as u64,
            _ => sum.wrapping_add(count as i64).max(0) as u64,
        };
        let run = until(run);
        Counts {
            user: until(user).min(run),
            run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(user: u64, run: u64) -> Counts {
        Counts { user, run }
    }

    #[test]
    fn stretches_that_last_are_counted_to_the_moment() {
        let time = CpuTime::new();
        time.switch_in(100);
        assert_eq!(time.read(|| 130), counts(0, 30));
        time.enter_user(140);
        assert_eq!(time.read(|| 200), counts(60, 100));
        time.leave_user(210);
        assert_eq!(time.read(|| 215), counts(70, 115));
        time.switch_out(220);
        assert_eq!(time.read(|| 999), counts(70, 120));
    }

    #[test]
    fn time_off_the_cpu_is_not_counted() {
        let time = CpuTime::new();
        for round in 0..1000 {
            let at = 1 + round * 1000;
            time.switch_in(at);
            time.enter_user(at + 3);
            time.leave_user(at + 13);
            time.switch_out(at + 20);
        }
        assert_eq!(time.read(|| u64::MAX >> 1), counts(10_000, 20_000));
    }

    #[test]
    fn a_counter_that_was_read_early_makes_nothing_negative() {
        let time = CpuTime::new();
        time.switch_in(100);
        time.enter_user(100);
        assert_eq!(time.read(|| 99), counts(0, 0));
    }

    #[test]
    fn a_reading_that_is_overtaken_begins_anew() {
        let time = CpuTime::new();
        time.switch_in(10);
        time.enter_user(20);
        let reads = core::cell::Cell::new(0);
        let found = time.read(|| {
            reads.set(reads.get() + 1);
            if reads.get() == 1 {
                time.leave_user(50);
            }
            60
        });
        assert_eq!(found, counts(30, 50));
        assert_eq!(reads.get(), 2);
    }
}
