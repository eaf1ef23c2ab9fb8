//! timerfd_create(2): timers that are read.
//!
//! A timer is nothing but a time: what has expired is worked out when it is
//! read. The queue of timers wakes those who wait.

use super::{Call, posix_timers};
use crate::process::timers::{self, Expire};
use crate::time::{self, Timeline};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use paddock_abi::time::*;
use paddock_abi::{Errno, Result};
use paddock_process::Schedule;
use paddock_sync::{
    OnceCell, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc, try_insert,
};
use paddock_user_io::UserWriter;
use paddock_vfs::{File, Metadata, OpenFile, OpenFlags, stays_at_start};

/// A timer.
struct TimerFile {
    timeline: Timeline,
    key: u64,
    state: SpinLock<State, PreemptOff>,
    changed: WaitQueue,
    /// Itself, for the queue.
    me: OnceCell<Weak<TimerFile>>,
}

#[derive(Default)]
struct State {
    setting: Schedule,
    /// When it is in the queue for; zero if it is not.
    queued: u64,
    /// A change of the clock is to be told (`TFD_TIMER_CANCEL_ON_SET`), by `ECANCELED`.
    tells_change: bool,
    /// There was one, which has not been told.
    was_changed: bool,
}

/// Timers that tell of changes of the wall clock.
static TELLING: SpinLock<BTreeMap<u64, Weak<TimerFile>>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());

/// The wall clock has been set: whoever reads a timer that tells of it hears so. The
/// timers go on. Not in an interrupt.
pub fn clock_was_set() {
    let mut behind = 0;
    loop {
        let next = TELLING.lock().range(behind..).next().map(first_of);
        let Some((key, timer)) = next else {
            return;
        };
        behind = key + 1;
        if let Some(timer) = timer.upgrade() {
            timer.state.lock().was_changed = true;
            timer.changed.wake(Ready::IN);
        }
    }
}

fn first_of((key, timer): (&u64, &Weak<TimerFile>)) -> (u64, Weak<TimerFile>) {
    (*key, timer.clone())
}

impl TimerFile {
    /// Puts the timer into the queue for its next time. `ENOMEM`.
    fn enqueue(&self, state: &mut State) -> Result<()> {
        timers::disarm(core::mem::take(&mut state.queued), self.key);
        let due = state.setting.due;
        if due != 0
            && let Some(me) = self.me.get()
        {
            timers::arm(due, self.key, me.clone())?;
            state.queued = due;
        }
        Ok(())
    }
}

impl TimerFile {
    /// Whether it tells of changes of the clock from now on. `ENOMEM`.
    fn tell_change(&self, tells: bool) -> Result<()> {
        let before = core::mem::replace(&mut self.state.lock().tells_change, tells);
        match (before, tells) {
            (false, true) => {
                let me = self.me.get().cloned().unwrap_or_default();
                try_insert(&mut TELLING.lock(), self.key, me)?;
            }
            (true, false) => {
                let gone = TELLING.lock().remove(&self.key);
                drop(gone);
                self.state.lock().was_changed = false;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Expire for TimerFile {
    /// It is announced; and again once it has been read and is due another
    /// time.
    fn expire(self: Arc<Self>) {
        self.state.lock().queued = 0;
        self.changed.wake(Ready::IN);
    }
}

impl Drop for TimerFile {
    fn drop(&mut self) {
        let gone = TELLING.lock().remove(&self.key);
        drop(gone);
        timers::disarm(self.state.get_mut().queued, self.key);
    }
}

impl Pollable for TimerFile {
    fn ready(&self) -> Ready {
        let state = self.state.lock();
        match state.was_changed || state.setting.is_expired(time::now()) {
            true => Ready::IN,
            false => Ready::empty(),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

impl File for TimerFile {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        if to.left() < 8 {
            return Err(Errno::EINVAL);
        }
        to.fault_in(8)?;
        let mut state = self.state.lock();
        if core::mem::take(&mut state.was_changed) {
            return Err(Errno::ECANCELED);
        }
        let count = state.setting.take_expired(time::now());
        if count > 0 {
            // Without memory it is announced no more, but still read.
            let _ = self.enqueue(&mut state);
        }
        drop(state);
        match count {
            0 => Err(Errno::EAGAIN),
            count => to.copy_out(&count.to_le_bytes()),
        }
    }

    fn seek(&self, _: i64, whence: u32) -> Result<u64> {
        stays_at_start(whence)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("[timerfd]")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// timerfd_create(2): a clock's alarms (`CLOCK_…_ALARM`) are `EINVAL`.
pub fn timerfd_create(call: &mut Call<'_>) -> Result<u64> {
    let timeline = match call.uint(0) {
        CLOCK_REALTIME => Timeline::Wall,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => Timeline::Steady,
        _ => return Err(Errno::EINVAL),
    };
    let flags = call.descriptor_flags(1)?;
    timers::start()?;
    let timer = try_arc(TimerFile {
        timeline,
        key: timers::new_key(),
        state: SpinLock::new(Rank::Leaf, State::default()),
        changed: WaitQueue::new(),
        me: OnceCell::new(),
    })?;
    let _ = timer.me.set(Arc::downgrade(&timer));
    let file = OpenFile::new(timer, None, flags | OpenFlags::RDWR)?;
    Ok(call.install(file, flags)? as u64)
}

fn timer_of(file: &OpenFile) -> Result<&TimerFile> {
    file.file()
        .as_any()
        .downcast_ref::<TimerFile>()
        .ok_or(Errno::EINVAL)
}

fn remaining(setting: &Schedule) -> Itimerspec {
    Itimerspec {
        it_value: Timespec::from_nanos(setting.left(time::now())),
        it_interval: Timespec::from_nanos(setting.interval),
    }
}

/// What tells of changes: a time of the clock, and that it is wanted.
const BOTH: u32 = TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;

/// timerfd_settime(2). `ECANCELED` if the clock was set before, which nobody has read; the
/// timer is set all the same.
pub fn timerfd_settime(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let timer = timer_of(&file)?;
    let flags = call.uint(1);
    if flags & !(TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let new = call.pointer::<Itimerspec>(2).read()?;
    let (value, interval) = (new.it_value.to_nanos()?, new.it_interval.to_nanos()?);
    let due = posix_timers::due(value, flags & TIMER_ABSTIME != 0, timer.timeline);
    timer.tell_change(flags & BOTH == BOTH && timer.timeline == Timeline::Wall)?;
    let mut state = timer.state.lock();
    let old = core::mem::replace(&mut state.setting, Schedule { due, interval });
    timer.enqueue(&mut state)?;
    let was_changed = due != 0 && core::mem::take(&mut state.was_changed);
    drop(state);
    timer.changed.wake_all();
    if was_changed {
        return Err(Errno::ECANCELED);
    }
    if let Some(place) = call.pointer::<Itimerspec>(3).non_null() {
        place.write(&remaining(&old))?;
    }
    Ok(0)
}

/// timerfd_gettime(2).
pub fn timerfd_gettime(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let mut setting = timer_of(&file)?.state.lock().setting;
    setting.take_expired(time::now());
    call.pointer::<Itimerspec>(1).write(&remaining(&setting))?;
    Ok(0)
}
