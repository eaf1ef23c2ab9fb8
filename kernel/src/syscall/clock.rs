//! Time: clock_gettime(2), nanosleep(2), times(2).

use super::cpu_clock::CpuClock;
use super::{Call, timerfd};
use crate::process;
use crate::time;
use crate::user_memory::UserPtr;
use core::sync::atomic::{AtomicI32, Ordering};
use paddock_abi::time::*;
use paddock_abi::timex::{Modes, Timex};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_process::CpuTimes;
use paddock_sync::{WaitError, WaitQueue};

/// The reading of a clock, in nanoseconds. `EINVAL`.
fn read(call: &Call<'_>, clock: u32) -> Result<u64> {
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(time::wall()),
        CLOCK_TAI => Ok(time::atomic()),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(time::now())
        }
        _ => Ok(CpuClock::find(call, clock)?.read()),
    }
}

/// clock_gettime(2).
pub fn clock_gettime(call: &mut Call<'_>) -> Result<u64> {
    let now = Timespec::from_nanos(read(call, call.uint(0))?);
    call.pointer::<Timespec>(1).write(&now)?;
    Ok(0)
}

/// clock_getres(2): a nanosecond.
pub fn clock_getres(call: &mut Call<'_>) -> Result<u64> {
    read(call, call.uint(0))?;
    if let Some(place) = call.pointer::<Timespec>(1).non_null() {
        place.write(&Timespec::from_nanos(1))?;
    }
    Ok(0)
}

/// clock_settime(2): the wall clock, by the superuser.
pub fn clock_settime(call: &mut Call<'_>) -> Result<u64> {
    match call.uint(0) {
        CLOCK_REALTIME => {
            let wanted = call.pointer::<Timespec>(1).read()?.to_nanos()?;
            set_wall(call, wanted)
        }
        clock if (clock as i32) < 0 && CpuClock::find(call, clock).is_ok() => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

fn set_wall(call: &Call<'_>, nanos: u64) -> Result<u64> {
    call.require(Cap::CAP_SYS_TIME)?;
    time::set_wall(nanos);
    timerfd::clock_was_set();
    Ok(0)
}

/// adjtimex(2).
pub fn adjtimex(call: &mut Call<'_>) -> Result<u64> {
    adjust(call, 0)
}

/// clock_adjtime(2): the wall clock.
pub fn clock_adjtime(call: &mut Call<'_>) -> Result<u64> {
    let clock = call.uint(0);
    if clock == CLOCK_REALTIME {
        return adjust(call, 1);
    }
    call.pointer::<Timex>(1).read()?;
    read(call, clock)?;
    Err(Errno::EOPNOTSUPP)
}

/// What is to be changed, and how it is then, are argument `number`.
fn adjust(call: &Call<'_>, number: usize) -> Result<u64> {
    let place = call.pointer::<Timex>(number);
    let mut request = place.read()?;
    let may = call.require(Cap::CAP_SYS_TIME).is_ok();
    let steps = Modes::from_bits_retain(request.modes).contains(Modes::SETOFFSET);
    let state = time::adjust(&mut request, may)?;
    if steps {
        timerfd::clock_was_set();
    }
    place.write(&request)?;
    Ok(state as u64)
}

/// gettimeofday(2).
pub fn gettimeofday(call: &mut Call<'_>) -> Result<u64> {
    if let Some(place) = call.pointer::<Timeval>(0).non_null() {
        place.write(&Timeval::from_nanos(time::wall()))?;
    }
    if let Some(zone) = call.pointer::<[i32; 2]>(1).non_null() {
        zone.write(&[0, 1].map(|word: usize| ZONE[word].load(Ordering::Relaxed)))?;
    }
    Ok(0)
}

/// The zone that settimeofday(2) was given last: minutes west of Greenwich, and a kind of
/// summer time. It is told, and changes no clock: that of the machine has none.
static ZONE: [AtomicI32; 2] = [const { AtomicI32::new(0) }; 2];
/// The most minutes, either way.
const MOST_WEST: i32 = 15 * 60;

/// settimeofday(2).
pub fn settimeofday(call: &mut Call<'_>) -> Result<u64> {
    let nanos = match call.pointer::<Timeval>(0).non_null() {
        Some(place) => Some(place.read()?.to_nanos()?),
        None => None,
    };
    let zone = match call.pointer::<[i32; 2]>(1).non_null() {
        Some(place) => Some(place.read()?),
        None => None,
    };
    call.require(Cap::CAP_SYS_TIME)?;
    if let Some([west, kind]) = zone {
        if !(-MOST_WEST..=MOST_WEST).contains(&west) {
            return Err(Errno::EINVAL);
        }
        ZONE[0].store(west, Ordering::Relaxed);
        ZONE[1].store(kind, Ordering::Relaxed);
    }
    match nanos {
        Some(nanos) => set_wall(call, nanos),
        None => Ok(0),
    }
}

/// nanosleep(2).
pub fn nanosleep(call: &mut Call<'_>) -> Result<u64> {
    let nanos = call.pointer::<Timespec>(0).read()?.to_nanos()?;
    sleep_for(call, nanos, call.pointer(1))
}

/// clock_nanosleep(2).
pub fn clock_nanosleep(call: &mut Call<'_>) -> Result<u64> {
    let clock = call.uint(0);
    match clock {
        CLOCK_REALTIME | CLOCK_TAI | CLOCK_MONOTONIC | CLOCK_BOOTTIME => {}
        CLOCK_THREAD_CPUTIME_ID
        | CLOCK_MONOTONIC_RAW
        | CLOCK_REALTIME_COARSE
        | CLOCK_MONOTONIC_COARSE => return Err(Errno::EOPNOTSUPP),
        _ => return super::cpu_clock::sleep(call, clock),
    }
    let nanos = call.pointer::<Timespec>(2).read()?.to_nanos()?;
    if call.uint(1) & TIMER_ABSTIME == 0 {
        return sleep_for(call, nanos, call.pointer(3));
    }
    let reading = read(call, clock)?;
    let deadline = time::now().saturating_add(nanos.saturating_sub(reading));
    sleep_until(deadline).map_err(|_| Errno::ERESTARTNOHAND)
}

/// Sleeps; a signal stores what is left at `remaining`.
fn sleep_for(call: &Call<'_>, nanos: u64, remaining: UserPtr<Timespec>) -> Result<u64> {
    let deadline = call.deadline_in(nanos);
    sleep_until(deadline).or_else(|_| {
        if let Some(place) = remaining.non_null() {
            let left = deadline.saturating_sub(time::now());
            place.write(&Timespec::from_nanos(left))?;
        }
        Err(call.restarting_at(deadline, Errno::ERESTARTNOHAND))
    })
}

fn sleep_until(deadline: u64) -> core::result::Result<u64, WaitError> {
    let nobody = WaitQueue::new();
    match nobody.wait_interruptible(deadline, || None::<()>) {
        Err(WaitError::Interrupted) => Err(WaitError::Interrupted),
        _ => Ok(0),
    }
}

/// times(2).
pub fn times(call: &mut Call<'_>) -> Result<u64> {
    const TICK: u64 = NANOS / CLOCK_TICKS;
    if let Some(place) = call.pointer::<Tms>(0).non_null() {
        let children = process::tree().lock().children_usage(call.process().pid)?;
        let CpuTimes { user, system } = call.process().cpu_times();
        place.write(&Tms {
            tms_utime: (user / TICK) as i64,
            tms_stime: (system / TICK) as i64,
            tms_cutime: (children.user_ns / TICK) as i64,
            tms_cstime: (children.system_ns / TICK) as i64,
        })?;
    }
    Ok(time::now() / TICK)
}
