//! The wall clock ([`paddock_clock`]): who changes it, and who reads it, programs
//! included.

use super::now;
use crate::arch::timers;
use core::future::poll_fn;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::task::{Poll, Waker};
use embassy_executor::Spawner;
use embassy_time::{Instant, Timer};
use paddock_abi::Result;
use paddock_abi::time::NANOS;
use paddock_abi::timex::Timex;
use paddock_clock::{Clock, Shared};
use paddock_sync::{IrqOff, OnceCell, Rank, SpinLock};

/// The clocks as programs read them without a system call: by `vdso.s`, which
/// knows where each field is.
#[repr(C)]
pub struct UserClock {
    /// The physical counter when the monotonic clock read zero.
    start: AtomicU64,
    /// Nanoseconds a count, as 32.32 fixed point.
    nanos_per_count: AtomicU64,
    /// As [`LINE`].
    line: Shared,
}

/// The clock, and the task that sees to its seconds.
struct Wall {
    clock: Clock,
    waker: Option<Waker>,
}

/// Interrupts are off while it changes: they may read it.
static WALL: SpinLock<Wall, IrqOff> = SpinLock::new(
    Rank::Leaf,
    Wall {
        clock: Clock::new(),
        waker: None,
    },
);
/// What it reads.
static LINE: Shared = Shared::new();
static USER_CLOCK: OnceCell<&UserClock> = OnceCell::new();

/// Nanoseconds since 1970. Any context.
pub fn wall() -> u64 {
    let (line, now) = LINE.read(now);
    line.at(now)
}

/// The reading of international atomic time, as far as adjtimex(2) was told what it is
/// ahead of the wall clock.
pub fn atomic() -> u64 {
    let ahead = WALL.lock().clock.tai();
    wall().saturating_add_signed(i64::from(ahead) * NANOS as i64)
}

/// What absolute times are counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeline {
    /// Since the boot.
    Steady,
    /// Since 1970, as the wall clock shows it.
    Wall,
    /// The same without leap seconds.
    Atomic,
}

impl Timeline {
    /// When, on the steady one, it is `at`; not zero, which is no time.
    pub fn steady(self, at: u64) -> u64 {
        let reading = match self {
            Timeline::Steady => return at,
            Timeline::Wall => wall(),
            Timeline::Atomic => atomic(),
        };
        now().saturating_add(at.saturating_sub(reading)).max(1)
    }
}

/// Changes the clock, and has everybody read the new one.
fn change<T>(body: impl FnOnce(&mut Clock, u64) -> T) -> T {
    let mut wall = WALL.lock();
    let result = body(&mut wall.clock, now());
    let line = wall.clock.line();
    LINE.write(line);
    if let Some(user) = USER_CLOCK.get() {
        user.line.write(line);
    }
    let waker = match wall.clock.deadline() {
        Some(_) => wall.waker.take(),
        None => None,
    };
    drop(wall);
    if let Some(waker) = waker {
        waker.wake();
    }
    result
}

/// Sets wall-clock time, in nanoseconds since 1970. Any context but an
/// interrupt.
pub fn set_wall(nanos: u64) {
    change(|clock, now| clock.set(now, nanos));
}

/// adjtimex(2), by somebody who `may` change the clock. The clock's state. Any
/// context but an interrupt.
///
/// # Errors
/// `EPERM`, `EINVAL`.
pub fn adjust(request: &mut Timex, may: bool) -> Result<i32> {
    change(|clock, now| clock.adjust(now, request, may))
}

/// Keeps `clock` right from now on. Once.
pub fn share_with_users(clock: &'static UserClock) {
    let wall = WALL.lock();
    let (start, nanos_per_count) = timers::scale_of_clock();
    clock.start.store(start, Relaxed);
    clock.nanos_per_count.store(nanos_per_count, Relaxed);
    clock.line.write(wall.clock.line());
    let _ = USER_CLOCK.set(clock);
}

/// Has seconds begin. Once, before the main loop runs.
pub fn keep_seconds(spawner: Spawner) {
    match run_seconds() {
        Ok(token) => spawner.spawn(token),
        Err(_) => log::error!("time: the clock's seconds have no task"),
    }
}

/// Begins the seconds of the wall while the clock is steered; sleeps otherwise.
#[embassy_executor::task]
async fn run_seconds() {
    loop {
        let next = poll_fn(|cx| next_second(cx.waker())).await;
        Timer::at(Instant::from_micros(next.div_ceil(1000))).await;
        change(Clock::on_time);
    }
}

/// When the next one begins. Without any the waker is kept.
fn next_second(waker: &Waker) -> Poll<u64> {
    let mut wall = WALL.lock();
    match wall.clock.deadline() {
        Some(next) => Poll::Ready(next),
        None => {
            wall.waker = Some(waker.clone());
            Poll::Pending
        }
    }
}
