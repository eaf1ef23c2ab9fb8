//! What the primitives cost, counted by the machine itself: with
//! `paddock.costs` on the test kernel's command line, and QEMU's
//! `-icount shift=0`, where an instruction takes a nanosecond.
//!
//! Each line is `costs: NAME N`, in hundredths of an instruction.

use crate::arch::timers;
use crate::cpus;
use crate::machine::CommandLine;
use crate::thread::{self, Thread};
use alloc::sync::Arc;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_abi::Result;
use paddock_sched::CpuMask;
use paddock_sync::{
    IrqGuard, IrqOff, Mutex, PreemptGuard, PreemptOff, Rank, RwLock, SpinLock, WaitQueue,
    might_sleep, try_arc,
};

/// Words of the command line that this knows.
pub const WORDS: &[&str] = &["paddock.costs"];

/// How often each is done.
const ROUNDS: u64 = 10_000;
/// How long the boot has to come to rest first.
const QUIET_MS: u64 = 200;

/// Counts and prints, in a thread of its own, if the command line asks.
pub fn start(command_line: &CommandLine<'_>) {
    if !command_line.has("paddock.costs") {
        return;
    }
    if let Err(error) = thread::spawn("costs", count_all) {
        log::error!("costs: no thread: {error}");
    }
}

fn count_all() {
    thread::current().set_affinity(CpuMask::only(cpus::this_cpu()));
    thread::sleep_ms(QUIET_MS);
    let empty = measure(|| {});
    let report = |name: &str, work: &dyn Fn()| {
        log::info!("costs: {name} {}", measure(work).saturating_sub(empty));
    };
    let irq_off = SpinLock::<u64, IrqOff>::new(Rank::Leaf, 0);
    let preempt_off = SpinLock::<u64, PreemptOff>::new(Rank::Leaf, 0);
    let mutex = Mutex::new(Rank::LeafMutex, 0u64);
    let rw_lock = RwLock::new(Rank::LeafMutex, 0u64);
    let queue = WaitQueue::new();
    report("preempt-guard", &|| drop(black_box(PreemptGuard::new())));
    report("irq-guard", &|| drop(black_box(IrqGuard::new())));
    report("spin-lock-preempt-off", &|| *preempt_off.lock() += 1);
    report("spin-lock-irq-off", &|| *irq_off.lock() += 1);
    report("mutex", &|| *mutex.lock() += 1);
    report("rw-lock-read", &|| {
        black_box(*rw_lock.read());
    });
    report("rw-lock-write", &|| *rw_lock.write() += 1);
    report("might-sleep", &might_sleep);
    report("wake-nobody", &|| {
        queue.wake_one();
    });
    match wake_ups() {
        Ok(each) => log::info!("costs: wake-up {each}"),
        Err(error) => log::error!("costs: wake-up: {error}"),
    }
    log::info!("costs: done");
}

/// Hundredths of a nanosecond for each of `ROUNDS`.
fn measure(work: impl Fn()) -> u64 {
    let begin = timers::now();
    for _ in 0..ROUNDS {
        work();
    }
    (timers::now() - begin) * 100 / ROUNDS
}

/// Two threads of one CPU that wake each other in turn.
struct Turns {
    turn: AtomicU64,
    queue: WaitQueue,
    over: AtomicBool,
}

impl Turns {
    fn wait_for(&self, parity: u64) {
        self.queue.wait_until(|| {
            let turn = self.turn.load(Ordering::Acquire);
            (turn % 2 == parity || self.over.load(Ordering::Acquire)).then_some(())
        });
    }

    fn pass(&self) {
        self.turn.fetch_add(1, Ordering::AcqRel);
        self.queue.wake_one();
    }
}

/// From the call that wakes a thread until that thread runs, its waker asleep:
/// a wake-up, a wait and a switch. In hundredths of a nanosecond.
fn wake_ups() -> Result<u64> {
    let turns = try_arc(Turns {
        turn: AtomicU64::new(0),
        queue: WaitQueue::new(),
        over: AtomicBool::new(false),
    })?;
    let partner: Arc<Thread> = {
        let turns = turns.clone();
        thread::spawn("costs-partner", move || {
            while !turns.over.load(Ordering::Acquire) {
                turns.wait_for(1);
                turns.pass();
            }
        })?
    };
    let begin = timers::now();
    for _ in 0..ROUNDS {
        turns.pass();
        turns.wait_for(0);
    }
    let each = (timers::now() - begin) * 100 / (2 * ROUNDS);
    turns.over.store(true, Ordering::Release);
    turns.queue.wake_all();
    drop(partner);
    Ok(each)
}
