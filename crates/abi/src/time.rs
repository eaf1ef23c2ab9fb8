//! Clocks and timers: clock_gettime(2), setitimer(2), times(2).
#![allow(missing_docs, reason = "the names are those of the manual pages")]

use crate::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Nanoseconds in a second.
pub const NANOS: u64 = 1_000_000_000;

/// `struct timespec`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Timespec {
    pub tv_sec: i64,
    pub tv_nsec: i64,
}

impl Timespec {
    /// From nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Timespec {
        Timespec {
            tv_sec: (nanos / NANOS) as i64,
            tv_nsec: (nanos % NANOS) as i64,
        }
    }

    /// In nanoseconds, no more than `u64::MAX`. `EINVAL` if it is negative or
    /// its nanoseconds are no fraction of a second.
    pub const fn to_nanos(self) -> Result<u64> {
        if self.tv_sec < 0 || self.tv_nsec < 0 || self.tv_nsec >= NANOS as i64 {
            return Err(Errno::EINVAL);
        }
        Ok((self.tv_sec as u64)
            .saturating_mul(NANOS)
            .saturating_add(self.tv_nsec as u64))
    }
}

/// `struct timeval`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Timeval {
    pub tv_sec: i64,
    pub tv_usec: i64,
}

impl Timeval {
    /// From nanoseconds, rounded down.
    pub const fn from_nanos(nanos: u64) -> Timeval {
        Timeval {
            tv_sec: (nanos / NANOS) as i64,
            tv_usec: (nanos % NANOS / 1000) as i64,
        }
    }

    /// In nanoseconds. `EINVAL` as for [`Timespec::to_nanos`].
    pub const fn to_nanos(self) -> Result<u64> {
        if self.tv_usec < 0 || self.tv_usec >= 1_000_000 {
            return Err(Errno::EINVAL);
        }
        let spec = Timespec {
            tv_sec: self.tv_sec,
            tv_nsec: self.tv_usec * 1000,
        };
        spec.to_nanos()
    }
}

/// `struct itimerval`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Itimerval {
    pub it_interval: Timeval,
    pub it_value: Timeval,
}

/// `struct itimerspec`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Itimerspec {
    pub it_interval: Timespec,
    pub it_value: Timespec,
}

/// `struct tms`, in clock ticks.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Tms {
    pub tms_utime: i64,
    pub tms_stime: i64,
    pub tms_cutime: i64,
    pub tms_cstime: i64,
}

/// Clock ticks in a second, as sysconf(3) tells (`AT_CLKTCK`).
pub const CLOCK_TICKS: u64 = 100;

pub const CLOCK_REALTIME: u32 = 0;
pub const CLOCK_MONOTONIC: u32 = 1;
pub const CLOCK_PROCESS_CPUTIME_ID: u32 = 2;
pub const CLOCK_THREAD_CPUTIME_ID: u32 = 3;
pub const CLOCK_MONOTONIC_RAW: u32 = 4;
pub const CLOCK_REALTIME_COARSE: u32 = 5;
pub const CLOCK_MONOTONIC_COARSE: u32 = 6;
pub const CLOCK_BOOTTIME: u32 = 7;
pub const CLOCK_TAI: u32 = 11;

/// What a CPU clock measures (`CPUCLOCK_*` of the kernel): all time, time in
/// user mode, or all time exactly.
pub const CPUCLOCK_PROF: i32 = 0;
pub const CPUCLOCK_VIRT: i32 = 1;
pub const CPUCLOCK_SCHED: i32 = 2;
/// Not a CPU clock but a device's.
pub const CPUCLOCK_FD: i32 = 3;
pub const CPUCLOCK_CLOCK_MASK: i32 = 3;
pub const CPUCLOCK_PERTHREAD_MASK: i32 = 4;

pub const TIMER_ABSTIME: u32 = 1;

/// timerfd_settime(2): a change of the clock is told.
pub const TFD_TIMER_CANCEL_ON_SET: u32 = 2;

pub const ITIMER_REAL: u32 = 0;
pub const ITIMER_VIRTUAL: u32 = 1;
pub const ITIMER_PROF: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_refuse_what_is_no_time() {
        let bad = Timespec {
            tv_sec: 1,
            tv_nsec: NANOS as i64,
        };
        assert_eq!(bad.to_nanos(), Err(Errno::EINVAL));
        assert_eq!(
            Timespec {
                tv_sec: -1,
                tv_nsec: 0
            }
            .to_nanos(),
            Err(Errno::EINVAL)
        );
        let far = Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 999_999_999,
        };
        assert_eq!(far.to_nanos(), Ok(u64::MAX));
        assert_eq!(
            Timespec::from_nanos(1_500_000_000).to_nanos(),
            Ok(1_500_000_000)
        );
        assert_eq!(
            Timeval {
                tv_sec: 0,
                tv_usec: i64::MAX
            }
            .to_nanos(),
            Err(Errno::EINVAL)
        );
    }
}
