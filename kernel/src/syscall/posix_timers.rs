//! Timers of POSIX: timer_create(2) and its kin.

use super::Call;
use super::cpu_clock::CpuClock;
use crate::process::object::RLIMIT_SIGPENDING;
use crate::process::timers::{Notify, ProcessTimer, TimerClock};
use crate::time::{self, Timeline};
use alloc::sync::Arc;
use paddock_abi::signal::*;
use paddock_abi::time::*;
use paddock_abi::{Errno, Result};
use paddock_process::Schedule;

/// What a clock's times are counted on. `EOPNOTSUPP` for clocks without timers; `EINVAL`.
fn timer_clock(call: &Call<'_>, clock: u32) -> Result<TimerClock> {
    match clock {
        CLOCK_REALTIME => Ok(TimerClock::Real(Timeline::Wall)),
        CLOCK_TAI => Ok(TimerClock::Real(Timeline::Atomic)),
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => Ok(TimerClock::Real(Timeline::Steady)),
        CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_REALTIME_COARSE => {
            Err(Errno::EOPNOTSUPP)
        }
        _ => Ok(TimerClock::Cpu(CpuClock::find(call, clock)?.for_timers())),
    }
}

/// What a `struct sigevent` asks for. `EINVAL`.
fn notify(call: &Call<'_>, event: Sigevent) -> Result<Notify> {
    let tid = match event.notify {
        SIGEV_NONE => return Ok(Notify::Nothing),
        SIGEV_SIGNAL | SIGEV_THREAD => None,
        SIGEV_THREAD_ID => Some(call.find_number(event.tid as u32).ok_or(Errno::EINVAL)?),
        _ => return Err(Errno::EINVAL),
    };
    let is_own = |tid| call.process().thread(tid).is_some();
    let signal = event.signal as u32;
    if !(1..=SIGMAX).contains(&signal) || tid.is_some_and(|tid| !is_own(tid)) {
        return Err(Errno::EINVAL);
    }
    let value = event.value;
    Ok(Notify::Signal { signal, value, tid })
}

/// timer_create(2).
pub fn timer_create(call: &mut Call<'_>) -> Result<u64> {
    let event = match call.pointer::<Sigevent>(1).non_null() {
        Some(place) => Some(place.read()?),
        None => None,
    };
    let clock = timer_clock(call, call.uint(0))?;
    let notify = event.map(|event| notify(call, event)).transpose()?;
    let process = call.process();
    let limit = process.limit(RLIMIT_SIGPENDING);
    let id = process.create_timer(clock, limit, |id| {
        notify.unwrap_or(Notify::Signal {
            signal: SIGALRM,
            value: id as u64,
            tid: None,
        })
    })?;
    let stored = call.pointer::<i32>(2).write(&id);
    if stored.is_err() {
        process.delete_timer(id)?;
    }
    stored.map(|()| 0)
}

fn timer(call: &Call<'_>) -> Result<Arc<ProcessTimer>> {
    call.process().created_timer(call.int(0))
}

fn shown(timer: &ProcessTimer, schedule: Schedule) -> Itimerspec {
    Itimerspec {
        it_value: Timespec::from_nanos(timer.left(&schedule)),
        it_interval: Timespec::from_nanos(schedule.interval),
    }
}

/// When a timer is due that is set to `value`.
pub fn due(value: u64, absolute: bool, timeline: Timeline) -> u64 {
    match (value, absolute) {
        (0, _) => 0,
        (value, false) => time::now().saturating_add(value),
        (value, true) => timeline.steady(value),
    }
}

/// timer_settime(2).
pub fn timer_settime(call: &mut Call<'_>) -> Result<u64> {
    let new = match call.pointer::<Itimerspec>(2).non_null() {
        Some(place) => place.read()?,
        None => return Err(Errno::EINVAL),
    };
    let (value, interval) = (new.it_value.to_nanos()?, new.it_interval.to_nanos()?);
    let timer = timer(call)?;
    let absolute = call.uint(1) & TIMER_ABSTIME != 0;
    let old = timer.set_to(value, interval, absolute)?;
    if let Some(place) = call.pointer::<Itimerspec>(3).non_null() {
        place.write(&shown(&timer, old))?;
    }
    Ok(0)
}

/// timer_gettime(2).
pub fn timer_gettime(call: &mut Call<'_>) -> Result<u64> {
    let timer = timer(call)?;
    let setting = shown(&timer, timer.get());
    call.pointer::<Itimerspec>(1).write(&setting)?;
    Ok(0)
}

/// timer_getoverrun(2).
pub fn timer_getoverrun(call: &mut Call<'_>) -> Result<u64> {
    Ok(timer(call)?.overrun() as u64)
}

/// timer_delete(2).
pub fn timer_delete(call: &mut Call<'_>) -> Result<u64> {
    call.process().delete_timer(call.int(0))?;
    Ok(0)
}
