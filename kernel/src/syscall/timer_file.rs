//! timerfd_create(2): timers that are read.
//!
//! A timer is nothing but a time: whoever waits for one waits until then, and
//! what has expired is worked out when it is read. One thread wakes those who
//! wait through poll(2) or epoll(7).

use super::Call;
use super::epoll::anonymous_metadata;
use crate::{thread, time};
use core::any::Any;
use paddock_abi::time::*;
use paddock_abi::{Errno, Result};
use paddock_process::{Listed, Membership, WeakList};
use paddock_sync::{
    NO_DEADLINE, OnceCell, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc,
};
use paddock_vfs::{File, Metadata, OpenFile, OpenFlags};

/// When a timer expires: in monotonic nanoseconds; zero is never.
#[derive(Clone, Copy, Default)]
struct Setting {
    due: u64,
    interval: u64,
}

impl Setting {
    /// How often it has expired by `now`; it is due next after that.
    fn take_expired(&mut self, now: u64) -> u64 {
        if self.due == 0 || self.due > now {
            return 0;
        }
        if self.interval == 0 {
            self.due = 0;
            return 1;
        }
        let count = (now - self.due) / self.interval + 1;
        self.due = self.due.saturating_add(count.saturating_mul(self.interval));
        count
    }

    fn is_expired(&self, now: u64) -> bool {
        self.due != 0 && self.due <= now
    }
}

/// A timer.
struct TimerFile {
    wall: bool,
    setting: SpinLock<Setting, PreemptOff>,
    changed: WaitQueue,
    membership: Membership<TimerFile>,
}

impl Listed for TimerFile {
    fn membership(&self) -> &Membership<TimerFile> {
        &self.membership
    }
}

/// All timers.
static TIMERS: WeakList<TimerFile> = WeakList::new();
/// A timer was set.
static CHANGED: WaitQueue = WaitQueue::new();
static THREAD: OnceCell<()> = OnceCell::new();

/// The thread that wakes those who wait is there once somebody needs it.
fn start_thread() -> Result<()> {
    if THREAD.get().is_none() && THREAD.set(()).is_ok() {
        thread::spawn("timers", || {
            let mut announced = 0;
            loop {
                let due = next_due(announced);
                let sooner = || (next_due(announced) != due).then_some(());
                if CHANGED.wait_deadline(due, sooner).is_err() {
                    announced = due;
                    wake_expired();
                }
            }
        })?;
    }
    Ok(())
}

/// The first time after `announced` at which a timer is due.
fn next_due(announced: u64) -> u64 {
    let mut next = NO_DEADLINE;
    TIMERS.for_each(|timer| {
        // What is due already has been announced; it is announced again once
        // it has been read and is due another time.
        let due = timer.setting.lock().due;
        if due > announced {
            next = next.min(due);
        }
    });
    next
}

fn wake_expired() {
    let now = time::now();
    TIMERS.for_each(|timer| {
        if timer.setting.lock().is_expired(now) {
            timer.changed.wake_all();
        }
    });
}

impl Pollable for TimerFile {
    fn ready(&self) -> Ready {
        match self.setting.lock().is_expired(time::now()) {
            true => Ready::IN,
            false => Ready::empty(),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

impl File for TimerFile {
    fn read(&self, _: &mut u64, buf: &mut [u8]) -> Result<usize> {
        let buf = buf.get_mut(..8).ok_or(Errno::EINVAL)?;
        let (count, next) = {
            let mut setting = self.setting.lock();
            (setting.take_expired(time::now()), setting.due)
        };
        if count > 0 && next != 0 {
            CHANGED.wake_all();
        }
        match count {
            0 => Err(Errno::EAGAIN),
            count => {
                buf.copy_from_slice(&count.to_le_bytes());
                Ok(8)
            }
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(anonymous_metadata())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// timerfd_create(2): a clock's alarms (`CLOCK_…_ALARM`) are `EINVAL`.
pub fn timerfd_create(call: &mut Call<'_>) -> Result<u64> {
    let wall = match call.uint(0) {
        CLOCK_REALTIME => true,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => false,
        _ => return Err(Errno::EINVAL),
    };
    let flags = OpenFlags::from_bits(call.uint(1)).ok_or(Errno::EINVAL)?;
    if !(OpenFlags::NONBLOCK | OpenFlags::CLOEXEC).contains(flags) {
        return Err(Errno::EINVAL);
    }
    start_thread()?;
    let setting = SpinLock::new(Rank::Leaf, Setting::default());
    let timer = try_arc(TimerFile {
        wall,
        setting,
        changed: WaitQueue::new(),
        membership: Membership::new(&TIMERS),
    })?;
    TIMERS.add(&timer)?;
    let file = OpenFile::new(timer, None, flags | OpenFlags::RDWR)?;
    Ok(call.install(file, flags)? as u64)
}

fn timer_of(file: &OpenFile) -> Result<&TimerFile> {
    file.file()
        .as_any()
        .downcast_ref::<TimerFile>()
        .ok_or(Errno::EINVAL)
}

fn remaining(setting: &Setting) -> Itimerspec {
    let left = match setting.due {
        0 => 0,
        due => due.saturating_sub(time::now()).max(1),
    };
    Itimerspec {
        it_value: Timespec::from_nanos(left),
        it_interval: Timespec::from_nanos(setting.interval),
    }
}

/// timerfd_settime(2).
pub fn timerfd_settime(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let timer = timer_of(&file)?;
    let flags = call.uint(1);
    if flags & !TIMER_ABSTIME != 0 {
        return Err(Errno::EINVAL);
    }
    let new = call.pointer::<Itimerspec>(2).read()?;
    let (value, interval) = (new.it_value.to_nanos()?, new.it_interval.to_nanos()?);
    let now = time::now();
    let due = match (value, flags & TIMER_ABSTIME != 0) {
        (0, _) => 0,
        (value, false) => now.saturating_add(value),
        (value, true) if timer.wall => now
            .saturating_add(value.saturating_sub(time::wall()))
            .max(1),
        (value, true) => value,
    };
    let old = core::mem::replace(&mut *timer.setting.lock(), Setting { due, interval });
    CHANGED.wake_all();
    timer.changed.wake_all();
    if let Some(place) = call.pointer::<Itimerspec>(3).non_null() {
        place.write(&remaining(&old))?;
    }
    Ok(0)
}

/// timerfd_gettime(2).
pub fn timerfd_gettime(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let mut setting = *timer_of(&file)?.setting.lock();
    setting.take_expired(time::now());
    call.pointer::<Itimerspec>(1).write(&remaining(&setting))?;
    Ok(0)
}
