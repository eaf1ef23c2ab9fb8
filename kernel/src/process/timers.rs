//! Timers of real time: one queue, and one thread that has them expire; and
//! those of processes (setitimer(2), timer_create(2)).

use super::cpu_clock;
use super::object::{Process, UserThread};
use super::signals::{send_to_process, send_to_thread};
use crate::thread;
use crate::time::{self, Timeline};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use paddock_abi::signal::{SI_TIMER, SIGALRM, Siginfo};
use paddock_abi::{Errno, Result};
use paddock_process::{Measured, Schedule, TimerQueue};
use paddock_sync::{
    Mutex, NO_DEADLINE, PreemptOff, Rank, SpinLock, WaitQueue, try_arc, try_insert,
};

/// What can be in the queue.
pub trait Expire: Send + Sync {
    /// The time has come; it is off the queue. Thread context.
    fn expire(self: Arc<Self>);
}

static QUEUE: SpinLock<TimerQueue<Weak<dyn Expire>>, PreemptOff> =
    SpinLock::new(Rank::Leaf, TimerQueue::new());
/// The first one has changed.
static CHANGED: WaitQueue = WaitQueue::new();
/// Whether the thread is there.
static THREAD: Mutex<bool> = Mutex::new(Rank::LeafMutex, false);
/// The numbers of timers: none comes twice.
static NEXT: AtomicU64 = AtomicU64::new(1);
/// The shortest time (ns) between two signals of one timer: shorter intervals
/// are counted, not signalled.
const SHORTEST: u64 = 50_000;

/// A timer's number in the queue.
pub fn new_key() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// Has `timer` expire at `due` (ns since boot). Its thread has been
/// [started](start). `ENOMEM`.
pub fn arm(due: u64, key: u64, timer: Weak<dyn Expire>) -> Result<()> {
    let first = QUEUE.lock().arm(due, key, timer)?;
    if first {
        CHANGED.wake_all();
    }
    Ok(())
}

/// Undoes that, unless it expires already.
pub fn disarm(due: u64, key: u64) {
    let gone = QUEUE.lock().disarm(due, key);
    drop(gone);
}

/// The thread is there once somebody needs it. Sleeps. `ENOMEM`, `EAGAIN`.
pub fn start() -> Result<()> {
    let mut started = THREAD.lock();
    if !*started {
        thread::spawn("timers", run)?;
        *started = true;
    }
    Ok(())
}

fn first_due() -> u64 {
    QUEUE.lock().first_due().unwrap_or(NO_DEADLINE)
}

fn run() {
    loop {
        let next = QUEUE.lock().take_due(time::now());
        match next {
            Some(timer) => {
                if let Some(timer) = timer.upgrade() {
                    timer.expire();
                }
            }
            None => {
                let due = first_due();
                let changed = || (first_due() != due).then_some(());
                let _ = CHANGED.wait_deadline(due, changed);
            }
        }
    }
}

/// What a process's timer does when it expires.
#[derive(Clone, Copy)]
pub enum Notify {
    /// `SIGALRM` of setitimer(2).
    Alarm,
    /// Nothing (`SIGEV_NONE`).
    Nothing,
    /// A signal, for one thread or any.
    Signal {
        signal: u32,
        value: u64,
        tid: Option<u32>,
    },
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    /// When it is in the queue for; zero if it is not.
    queued: u64,
}

/// The CPU clock of a process or of a thread of it.
pub struct CpuReading {
    process: Weak<Process>,
    thread: Option<Weak<UserThread>>,
    clock: Measured,
}

impl CpuReading {
    /// Of all threads, or of one; all time, or that in user mode only.
    pub fn new(process: &Arc<Process>, thread: Option<&Arc<UserThread>>, user_only: bool) -> Self {
        CpuReading {
            process: Arc::downgrade(process),
            thread: thread.map(Arc::downgrade),
            clock: Measured {
                thread: thread.map(|thread| thread.tid),
                user_only,
            },
        }
    }

    /// What it shows. `ESRCH` once whose it is has gone.
    pub fn read(&self) -> Result<u64> {
        let times = match &self.thread {
            Some(thread) => thread.upgrade().ok_or(Errno::ESRCH)?.cpu_times(),
            None => self.process.upgrade().ok_or(Errno::ESRCH)?.cpu_times(),
        };
        Ok(times.of(self.clock.user_only))
    }

    fn arm(&self, key: u64, due: u64, timer: Weak<dyn Expire>) -> Result<()> {
        let process = self.process.upgrade().ok_or(Errno::ESRCH)?;
        let mut timers = process.cpu_clock.timers.lock();
        timers.arm(key, self.clock, due, timer)?;
        drop(timers);
        cpu_clock::changed(&process);
        Ok(())
    }

    fn disarm(&self, key: u64) {
        if let Some(process) = self.process.upgrade() {
            let gone = process.cpu_clock.timers.lock().disarm(key);
            drop(gone);
        }
    }
}

/// What a timer's times are of.
pub enum TimerClock {
    /// Real time, on the timeline of which absolute times are.
    Real(Timeline),
    /// CPU time.
    Cpu(CpuReading),
}

impl TimerClock {
    /// What a timer's schedule is compared with.
    fn now(&self) -> u64 {
        match self {
            TimerClock::Real(_) => time::now(),
            TimerClock::Cpu(reading) => reading.read().unwrap_or(0),
        }
    }

    /// When a timer is due that is set to `value`; zero for never. `ESRCH`.
    fn due(&self, value: u64, absolute: bool) -> Result<u64> {
        Ok(match (self, value, absolute) {
            (_, 0, _) => 0,
            (TimerClock::Real(timeline), _, true) => timeline.steady(value),
            (TimerClock::Cpu(_), _, true) => value,
            (TimerClock::Real(_), _, false) => time::now().saturating_add(value),
            (TimerClock::Cpu(reading), _, false) => reading.read()?.saturating_add(value),
        })
    }

    fn disarm(&self, queued: u64, key: u64) {
        match self {
            TimerClock::Real(_) => disarm(queued, key),
            TimerClock::Cpu(reading) => reading.disarm(key),
        }
    }
}

/// A timer of a process.
pub struct ProcessTimer {
    process: Weak<Process>,
    key: u64,
    id: i32,
    clock: TimerClock,
    notify: Notify,
    state: SpinLock<State, PreemptOff>,
    /// What the signal told that was taken last: the expirations beyond one.
    taken: AtomicI32,
}

impl ProcessTimer {
    fn new(
        process: &Arc<Process>,
        id: i32,
        clock: TimerClock,
        notify: Notify,
    ) -> Result<Arc<Self>> {
        start()?;
        try_arc(ProcessTimer {
            process: Arc::downgrade(process),
            key: new_key(),
            id,
            clock,
            notify,
            state: SpinLock::new(Rank::Leaf, State::default()),
            taken: AtomicI32::new(0),
        })
    }

    /// Has it expire once its clock has gone on by `value` nanoseconds, or shows that much;
    /// zero is never. The former setting. `ENOMEM`: then it is off; `ESRCH` for the clock of
    /// somebody who has gone.
    pub fn set_to(self: &Arc<Self>, value: u64, interval: u64, absolute: bool) -> Result<Schedule> {
        let due = self.clock.due(value, absolute)?;
        self.set(Schedule { due, interval })
    }

    /// Sets it; the former setting. `ENOMEM`: then it is off.
    pub fn set(self: &Arc<Self>, schedule: Schedule) -> Result<Schedule> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let mut old = core::mem::replace(&mut state.schedule, schedule);
        old.take_expired(now);
        self.taken.store(0, Relaxed);
        self.clock.disarm(state.queued, self.key);
        state.queued = 0;
        if schedule.due != 0 {
            self.enqueue(&mut state, schedule.due)?;
        }
        Ok(old)
    }

    /// Its setting.
    pub fn get(&self) -> Schedule {
        let now = self.clock.now();
        let mut schedule = self.state.lock().schedule;
        schedule.take_expired(now);
        schedule
    }

    /// What is left by its clock of one of its settings.
    pub fn left(&self, schedule: &Schedule) -> u64 {
        schedule.left(self.clock.now())
    }

    /// Expirations beyond the one whose signal was taken last.
    pub fn overrun(&self) -> i32 {
        self.taken.load(Relaxed)
    }

    fn enqueue(self: &Arc<Self>, state: &mut State, due: u64) -> Result<()> {
        let me: Weak<Self> = Arc::downgrade(self);
        let armed = match &self.clock {
            TimerClock::Real(_) => arm(due, self.key, me),
            TimerClock::Cpu(reading) => reading.arm(self.key, due, me),
        };
        if let Err(error) = armed {
            state.schedule.due = 0;
            return Err(error);
        }
        state.queued = due;
        Ok(())
    }

    fn signal(&self, process: &Process, count: u64) {
        match self.notify {
            Notify::Nothing => {}
            Notify::Alarm => {
                let _ = send_to_process(process, &Siginfo::kernel(SIGALRM));
            }
            Notify::Signal { signal, value, tid } => {
                let waits = process
                    .signals
                    .lock()
                    .add_overrun(self.id, signal, tid, count);
                if waits {
                    return;
                }
                let overrun = (count - 1).min(i32::MAX as u64) as i32;
                let info = Siginfo::timer(signal, self.id, overrun, value);
                let _ = match tid {
                    Some(tid) => send_to_thread(process, tid, &info),
                    None => send_to_process(process, &info),
                };
            }
        }
    }
}

impl Expire for ProcessTimer {
    fn expire(self: Arc<Self>) {
        let Some(process) = self.process.upgrade() else {
            return;
        };
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.queued = 0;
        let count = state.schedule.take_expired(now);
        let next = state.schedule.due;
        if next != 0 {
            let _ = self.enqueue(&mut state, next.max(now + SHORTEST));
        }
        drop(state);
        if count > 0 {
            self.signal(&process, count);
        }
    }
}

impl Drop for ProcessTimer {
    fn drop(&mut self) {
        let queued = self.state.get_mut().queued;
        self.clock.disarm(queued, self.key);
    }
}

/// The timers of a process.
#[derive(Default)]
pub struct Timers {
    alarm: Option<Arc<ProcessTimer>>,
    created: BTreeMap<i32, Arc<ProcessTimer>>,
    next: i32,
}

impl Timers {
    /// None.
    pub const fn new() -> Timers {
        Timers {
            alarm: None,
            created: BTreeMap::new(),
            next: 0,
        }
    }
}

impl Process {
    /// The timer of setitimer(2), `ITIMER_REAL`, if it was ever set.
    pub fn alarm(&self) -> Option<Arc<ProcessTimer>> {
        self.timers.lock().alarm.clone()
    }

    /// The same, made now if need be. Sleeps. `ENOMEM`, `EAGAIN`.
    pub fn make_alarm(self: &Arc<Self>) -> Result<Arc<ProcessTimer>> {
        let new = ProcessTimer::new(self, 0, TimerClock::Real(Timeline::Steady), Notify::Alarm)?;
        Ok(self.timers.lock().alarm.get_or_insert(new).clone())
    }

    /// Makes a timer, of which there are `limit` at most; its number. What
    /// `notify` says may depend on that. Sleeps. `ENOMEM`, `EAGAIN`.
    pub fn create_timer(
        self: &Arc<Self>,
        clock: TimerClock,
        limit: u64,
        notify: impl FnOnce(i32) -> Notify,
    ) -> Result<i32> {
        let id = {
            let mut timers = self.timers.lock();
            if timers.created.len() as u64 >= limit {
                return Err(Errno::EAGAIN);
            }
            let mut id = timers.next;
            while timers.created.contains_key(&id) {
                id = id.wrapping_add(1) & i32::MAX;
            }
            timers.next = id.wrapping_add(1) & i32::MAX;
            id
        };
        let timer = ProcessTimer::new(self, id, clock, notify(id))?;
        try_insert(&mut self.timers.lock().created, id, timer)?;
        Ok(id)
    }

    /// A timer that was made. `EINVAL`.
    pub fn created_timer(&self, id: i32) -> Result<Arc<ProcessTimer>> {
        let timers = self.timers.lock();
        timers.created.get(&id).cloned().ok_or(Errno::EINVAL)
    }

    /// A thread has taken this signal: what it tells of a timer is what
    /// timer_getoverrun(2) gives from now on. Never sleeps.
    pub fn note_taken(&self, info: &Siginfo) {
        if info.si_code != SI_TIMER {
            return;
        }
        if let Ok(timer) = self.created_timer(info.timer_id()) {
            timer.taken.store(info.overrun(), Relaxed);
        }
    }

    /// Ends a timer that was made. `EINVAL`.
    pub fn delete_timer(&self, id: i32) -> Result<()> {
        let gone = self.timers.lock().created.remove(&id);
        gone.map(drop).ok_or(Errno::EINVAL)
    }

    /// Ends those that were made: execve(2) does.
    pub fn delete_timers(&self) {
        let gone = core::mem::take(&mut self.timers.lock().created);
        drop(gone);
    }

    /// Ends all: it ends itself.
    pub fn end_timers(&self) {
        let gone = core::mem::take(&mut *self.timers.lock());
        drop(gone);
    }
}
