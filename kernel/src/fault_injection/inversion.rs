//! The priority-inversion deadlock: a thread that holds a filesystem's lock is
//! preempted; the main loop turns preemption off and waits for that lock.

use super::in_a_task;
use crate::{thread, time};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use paddock_sched::Class;
use paddock_sync::{Mutex, PreemptGuard, Rank, WaitQueue};

static LOCK: Mutex<()> = Mutex::new(Rank::Filesystem, ());
static HELD: AtomicBool = AtomicBool::new(false);
static CHANGED: WaitQueue = WaitQueue::new();

/// For how long the holder computes with the lock in hand.
const HOLD_NS: u64 = 300_000_000;

/// The main loop waits as any thread does: it is stopped at the door.
pub fn checked() {
    hold();
    in_a_task(|| {
        let _section = PreemptGuard::new();
        drop(LOCK.lock());
    });
}

/// It waits by going around, as if the lock were a spin lock, and nobody
/// checks.
pub fn unchecked() {
    hold();
    in_a_task(|| {
        let _section = PreemptGuard::new();
        drop(LOCK.lock_spinning());
    });
}

/// Has a thread take the lock and compute.
fn hold() {
    let holder = thread::spawn("holder", || {
        let _lock = LOCK.lock();
        HELD.store(true, SeqCst);
        CHANGED.wake_all();
        let end = time::now() + HOLD_NS;
        while time::now() < end {
            spin_loop();
        }
    });
    if holder.is_ok() {
        CHANGED.wait_until(|| HELD.load(SeqCst).then_some(()));
    }
}

/// How often [`scene`] plays.
const TIMES: u64 = 10_000;
/// Rounds that the holder has begun, and that the other has ended.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
/// Rounds in which the holder was preempted with the lock in hand.
static PREEMPTED: AtomicU64 = AtomicU64::new(0);
/// Where those two wait for that, and the third for its turn.
static BEGINS: WaitQueue = WaitQueue::new();
static STARVE: WaitQueue = WaitQueue::new();

/// The same without a mistake, again and again: a user thread holds the lock
/// and is preempted by a system thread that waits for it, while another
/// system thread takes all the time it can get until that one has it. Unless the waiter lends its
/// priority, the holder never runs again.
pub fn scene() {
    let started = time::now();
    let threads = thread::spawn("hog", hog)
        .and_then(|_| thread::spawn("needs-lock", need_lock))
        .and_then(|_| thread::spawn_as(Class::User, "has-lock", have_lock));
    if let Err(error) = threads {
        return log::error!("scene: no thread: {error}");
    }
    CHANGED.wait_until(|| (ENDED.load(SeqCst) == TIMES).then_some(()));
    log::warn!(
        "scene: played {TIMES} times in {} ms; preempted {} times",
        (time::now() - started) / 1_000_000,
        PREEMPTED.load(SeqCst)
    );
}

fn hog() {
    let wanted = || BEGUN.load(SeqCst) > ENDED.load(SeqCst);
    while ENDED.load(SeqCst) < TIMES {
        STARVE.wait_until(|| (wanted() || ENDED.load(SeqCst) == TIMES).then_some(()));
        while wanted() {
            thread::yield_now();
        }
    }
}

fn have_lock() {
    for round in 1..=TIMES {
        let lock = LOCK.lock();
        let switches = thread::context_switches();
        BEGUN.store(round, SeqCst);
        // The other is better, so this is where the holder is preempted.
        BEGINS.wake_all();
        if thread::context_switches() != switches {
            PREEMPTED.fetch_add(1, SeqCst);
        }
        drop(lock);
        CHANGED.wait_until(|| (ENDED.load(SeqCst) == round).then_some(()));
    }
}

fn need_lock() {
    for round in 1..=TIMES {
        BEGINS.wait_until(|| (BEGUN.load(SeqCst) == round).then_some(()));
        STARVE.wake_all();
        drop(LOCK.lock());
        ENDED.store(round, SeqCst);
        CHANGED.wake_all();
    }
    STARVE.wake_all();
}
