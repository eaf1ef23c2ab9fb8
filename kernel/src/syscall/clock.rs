//! Time: clock_gettime(2), nanosleep(2), setitimer(2), times(2).

use super::Call;
use crate::thread;
use crate::time;
use crate::user::{self, Process};
use crate::user_memory::UserPtr;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use paddock_abi::signal::{SIGALRM, Siginfo};
use paddock_abi::time::*;
use paddock_abi::{Errno, Result};
use paddock_sync::{Mutex, NO_DEADLINE, PreemptOff, Rank, SpinLock, WaitError, WaitQueue};

/// The reading of a clock, in nanoseconds. `EINVAL`.
fn read(call: &Call<'_>, clock: u32) -> Result<u64> {
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(time::wall()),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(time::now())
        }
        CLOCK_PROCESS_CPUTIME_ID => Ok(call.process().run_time()),
        CLOCK_THREAD_CPUTIME_ID => Ok(thread::current().run_time()),
        _ => Err(Errno::EINVAL),
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
    let wanted = call.pointer::<Timespec>(1).read()?.to_nanos()?;
    if call.uint(0) != CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    set_wall(call, wanted)
}

fn set_wall(call: &Call<'_>, nanos: u64) -> Result<u64> {
    if call.process().paths.lock().credentials.uid != 0 {
        return Err(Errno::EPERM);
    }
    time::set_wall(nanos);
    Ok(0)
}

/// gettimeofday(2).
pub fn gettimeofday(call: &mut Call<'_>) -> Result<u64> {
    if let Some(place) = call.pointer::<Timeval>(0).non_null() {
        place.write(&Timeval::from_nanos(time::wall()))?;
    }
    if let Some(zone) = call.pointer::<[i32; 2]>(1).non_null() {
        zone.write(&[0, 0])?;
    }
    Ok(0)
}

/// settimeofday(2).
pub fn settimeofday(call: &mut Call<'_>) -> Result<u64> {
    match call.pointer::<Timeval>(0).non_null() {
        Some(place) => set_wall(call, place.read()?.to_nanos()?),
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
    if !matches!(clock, CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME) {
        return Err(Errno::EINVAL);
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
        let children = user::tree().lock().children_usage(call.process().pid)?;
        place.write(&Tms {
            tms_utime: (call.process().run_time() / TICK) as i64,
            tms_stime: 0,
            tms_cutime: (children.user_ns / TICK) as i64,
            tms_cstime: (children.system_ns / TICK) as i64,
        })?;
    }
    Ok(time::now() / TICK)
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

/// setitimer(2): `ITIMER_REAL` only; `EINVAL` for the others.
pub fn setitimer(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) != ITIMER_REAL {
        return Err(Errno::EINVAL);
    }
    let new = match call.pointer::<Itimerval>(1).non_null() {
        Some(place) => place.read()?,
        None => Itimerval::default(),
    };
    let (value, interval) = (new.it_value.to_nanos()?, new.it_interval.to_nanos()?);
    let old = current_alarm(call);
    if value > 0 {
        start_alarm_thread()?;
    }
    replace_alarm(call.process(), value, interval)?;
    ALARMS_CHANGED.wake_all();
    if let Some(place) = call.pointer::<Itimerval>(2).non_null() {
        place.write(&old)?;
    }
    Ok(0)
}

/// getitimer(2).
pub fn getitimer(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) != ITIMER_REAL {
        return Err(Errno::EINVAL);
    }
    call.pointer::<Itimerval>(1).write(&current_alarm(call))?;
    Ok(0)
}

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
