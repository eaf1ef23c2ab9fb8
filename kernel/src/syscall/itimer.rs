//! Interval timers: setitimer(2), getitimer(2).

use super::{Call, posix_timers};
use crate::process::{Process, cpu_clock};
use crate::time::{self, Timeline};
use paddock_abi::time::*;
use paddock_abi::{Errno, Result};
use paddock_process::{CpuTimer, Schedule, Setting};

/// Which timer: `None` for the one of real time. `EINVAL`.
fn which(call: &Call<'_>) -> Result<Option<CpuTimer>> {
    match call.uint(0) {
        ITIMER_REAL => Ok(None),
        ITIMER_VIRTUAL => Ok(Some(CpuTimer::Virtual)),
        ITIMER_PROF => Ok(Some(CpuTimer::Profiling)),
        _ => Err(Errno::EINVAL),
    }
}

fn shown(setting: Setting) -> Itimerval {
    Itimerval {
        it_value: Timeval::from_nanos(setting.value),
        it_interval: Timeval::from_nanos(setting.interval),
    }
}

/// setitimer(2).
pub fn setitimer(call: &mut Call<'_>) -> Result<u64> {
    let timer = which(call)?;
    let new = match call.pointer::<Itimerval>(1).non_null() {
        Some(place) => place.read()?,
        None => Itimerval::default(),
    };
    let new = Setting {
        value: new.it_value.to_nanos()?,
        interval: new.it_interval.to_nanos()?,
    };
    let old = match timer {
        Some(timer) => set_cpu_timer(call.process(), timer, new),
        None => set_alarm(call, new)?,
    };
    if let Some(place) = call.pointer::<Itimerval>(2).non_null() {
        place.write(&old)?;
    }
    Ok(0)
}

fn set_cpu_timer(process: &Process, timer: CpuTimer, new: Setting) -> Itimerval {
    let now = process.cpu_times();
    let old = process.cpu_clock.timers.lock().set(timer, new, &now);
    cpu_clock::changed(process);
    shown(old)
}

fn set_alarm(call: &Call<'_>, new: Setting) -> Result<Itimerval> {
    let process = call.process();
    let alarm = match process.alarm() {
        Some(alarm) => alarm,
        None if new.value == 0 => return Ok(Itimerval::default()),
        None => process.make_alarm()?,
    };
    let due = posix_timers::due(new.value, false, Timeline::Steady);
    let interval = new.interval;
    alarm.set(Schedule { due, interval }).map(alarm_shown)
}

fn alarm_shown(schedule: Schedule) -> Itimerval {
    let left = schedule.left(time::now());
    shown(Setting {
        // A timer that runs is never told as one that is off.
        value: if left > 0 { left.max(1_000) } else { 0 },
        interval: schedule.interval,
    })
}

/// getitimer(2).
pub fn getitimer(call: &mut Call<'_>) -> Result<u64> {
    let setting = match which(call)? {
        Some(timer) => {
            let process = call.process();
            let now = process.cpu_times();
            shown(process.cpu_clock.timers.lock().get(timer, &now))
        }
        None => call
            .process()
            .alarm()
            .map_or_else(Itimerval::default, |alarm| alarm_shown(alarm.get())),
    };
    call.pointer::<Itimerval>(1).write(&setting)?;
    Ok(0)
}
