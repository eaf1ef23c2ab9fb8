//! Interval timers: setitimer(2), getitimer(2).

use super::Call;
use crate::thread;
use crate::time;
use crate::user::{self, Process, cpu_clock};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use paddock_abi::signal::{SIGALRM, Siginfo};
use paddock_abi::time::*;
use paddock_abi::{Errno, Result};
use paddock_process::{CpuTimer, Setting};
use paddock_sync::{Mutex, NO_DEADLINE, PreemptOff, Rank, SpinLock, WaitQueue};

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
    let old = current_alarm(call);
    if new.value > 0 {
        start_alarm_thread()?;
    }
    replace_alarm(call.process(), new.value, new.interval)?;
    ALARMS_CHANGED.wake_all();
    Ok(old)
}

/// getitimer(2).
pub fn getitimer(call: &mut Call<'_>) -> Result<u64> {
    let setting = match which(call)? {
        Some(timer) => {
            let process = call.process();
            let now = process.cpu_times();
            shown(process.cpu_clock.timers.lock().get(timer, &now))
        }
        None => current_alarm(call),
    };
    call.pointer::<Itimerval>(1).write(&setting)?;
    Ok(0)
}

/// A process's running interval timer.
struct Alarm {
    process: Weak<Process>,
    due: u64,
    interval: u64,
}

/// All running interval timers; at most one for a process.
static ALARMS: SpinLock<Vec<Alarm>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());
static ALARMS_CHANGED: WaitQueue = WaitQueue::new();
/// Whether the thread that sends the signals is there.
static ALARM_THREAD: Mutex<bool> = Mutex::new(Rank::LeafMutex, false);

fn is_of(alarm: &Alarm, process: &Arc<Process>) -> bool {
    core::ptr::eq(alarm.process.as_ptr(), Arc::as_ptr(process))
}

fn current_alarm(call: &Call<'_>) -> Itimerval {
    let alarms = ALARMS.lock();
    let own = alarms.iter().find(|alarm| is_of(alarm, call.process()));
    own.map_or_else(Itimerval::default, |alarm| Itimerval {
        it_value: Timeval::from_nanos(alarm.due.saturating_sub(time::now()).max(1000)),
        it_interval: Timeval::from_nanos(alarm.interval),
    })
}

fn replace_alarm(process: &Arc<Process>, value: u64, interval: u64) -> Result<()> {
    let mut alarms = ALARMS.lock();
    alarms.retain(|alarm| alarm.process.strong_count() > 0 && !is_of(alarm, process));
    if value > 0 {
        alarms.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let due = time::now().saturating_add(value);
        alarms.push(Alarm {
            process: Arc::downgrade(process),
            due,
            interval,
        });
    }
    Ok(())
}

/// The thread that sends `SIGALRM` is there once somebody needs it.
fn start_alarm_thread() -> Result<()> {
    let mut started = ALARM_THREAD.lock();
    if !*started {
        thread::spawn("alarms", send_alarms)?;
        *started = true;
    }
    Ok(())
}

fn send_alarms() {
    loop {
        wait_for_alarm();
        while let Some(process) = take_due() {
            let _ = user::send_to_process(&process, &Siginfo::kernel(SIGALRM));
        }
    }
}

fn next_due() -> u64 {
    ALARMS
        .lock()
        .iter()
        .map(|alarm| alarm.due)
        .min()
        .unwrap_or(NO_DEADLINE)
}

/// Sleeps until an alarm is due or another is set.
fn wait_for_alarm() {
    let due = next_due();
    let changed = || (next_due() != due).then_some(());
    let _ = ALARMS_CHANGED.wait_deadline(due, changed);
}

/// The process of an alarm that is due, which is set anew if it repeats.
fn take_due() -> Option<Arc<Process>> {
    let now = time::now();
    let mut alarms = ALARMS.lock();
    let at = alarms.iter().position(|alarm| alarm.due <= now)?;
    let alarm = &mut alarms[at];
    let process = alarm.process.upgrade();
    match (alarm.interval, &process) {
        (interval, Some(_)) if interval > 0 => {
            let missed = (now - alarm.due) / interval + 1;
            alarm.due = alarm.due.saturating_add(missed.saturating_mul(interval));
        }
        _ => {
            alarms.swap_remove(at);
        }
    }
    drop(alarms);
    // An alarm whose process is gone ends this round; the next finds others.
    process
}
