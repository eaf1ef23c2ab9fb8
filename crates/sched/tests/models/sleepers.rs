//! Deadlines of one CPU, against wake-ups and the end of threads on another.

use crate::{Fake, explore_up_to, queues};
use loom::sync::atomic::{AtomicUsize, Ordering::*};
use loom::thread;
use paddock_sched::{AtomicState, End, Id, Queues, Sleepers, State, Table};
use paddock_sync::{IrqOff, Rank, SpinLock};
use std::sync::Arc;

/// One thread that waits, CPU 0 with the timer that serves it, and CPU 1.
struct Machine {
    queues: Arc<Queues<Fake, 2>>,
    sleepers: SpinLock<Sleepers<Arc<Fake>>, IrqOff>,
    state: AtomicState,
    runs: AtomicUsize,
}

const INDEX: usize = 0;
const DEADLINE: u64 = 5;

impl Machine {
    fn new() -> Arc<Self> {
        let mut sleepers = Sleepers::new();
        sleepers.reserve(1).unwrap();
        Arc::new(Machine {
            queues: queues(),
            sleepers: SpinLock::new(Rank::Sleepers, sleepers),
            state: AtomicState::new_running(),
            runs: AtomicUsize::new(0),
        })
    }

    /// CPU 1 wakes the thread, which stays with CPU 0 while that is on it,
    /// and may run it.
    fn wake_and_steal(&self, thread: Arc<Fake>) {
        if self.state.unpark() {
            self.queues.push(0, End::Front, thread);
            self.run(self.queues.steal(1));
        }
    }

    /// The timer of CPU 0 fires at this time.
    fn timer(&self, now: u64) {
        let due = self.sleepers.lock().pop_due(now);
        if let Some(thread) = due
            && self.state.expire()
        {
            self.queues.push(0, End::Front, thread);
        }
    }

    /// The thread goes on after its park, and ends.
    fn run(&self, thread: Option<Arc<Fake>>) {
        if thread.is_some() {
            self.state.go(State::Running);
            drop(self.sleepers.lock().remove(INDEX));
            self.end();
        }
    }

    fn end(&self) {
        self.runs.fetch_add(1, Relaxed);
        self.state.go(State::Dead);
    }
}

#[test]
fn a_thread_with_a_deadline_runs_once_and_leaves_nothing() {
    for now in [DEADLINE - 1, DEADLINE] {
        let name = format!("a deadline of {DEADLINE} at {now} against a wake-up and a theft");
        explore_up_to(3, &name, move || park_and_be_woken(now));
    }
}

fn park_and_be_woken(now: u64) {
    let machine = Machine::new();
    let fake = Fake::new();
    fake.on_cpu.store(true, Relaxed);
    let other = {
        let (machine, fake) = (machine.clone(), fake.clone());
        thread::spawn(move || machine.wake_and_steal(fake))
    };
    if machine.state.park() {
        let own = fake.clone();
        machine.sleepers.lock().insert(INDEX, own, DEADLINE);
        // The switch away is complete.
        fake.on_cpu.store(false, Release);
        machine.timer(now);
        machine.run(machine.queues.pop(0, |_| true));
    } else {
        machine.end();
    }
    other.join().unwrap();
    machine.run(machine.queues.pop(0, |_| true));
    assert_eq!(machine.runs.load(Relaxed), 1);
    assert_eq!(machine.sleepers.lock().earliest(), u64::MAX);
    assert_eq!(Arc::strong_count(&fake), 1, "somebody refers to it still");
}

/// The threads there are, and those of them that wait for a time.
struct Slots {
    table: SpinLock<Table<()>, IrqOff>,
    sleepers: SpinLock<Sleepers<Id>, IrqOff>,
}

impl Slots {
    fn add_sleeper(&self, deadline: u64) -> Id {
        let id = self.table.lock().insert_with(|_| Ok(())).unwrap();
        self.sleepers.lock().insert(id.index(), id, deadline);
        id
    }

    /// As a thread does that was woken before its time, and ends.
    fn end_sleeper(&self, id: Id) {
        let left = self.sleepers.lock().remove(id.index());
        assert!(left.is_none_or(|left| left == id), "another's deadline");
        assert!(self.table.lock().remove(id).is_some());
    }
}

#[test]
fn a_slot_used_again_has_its_own_deadline() {
    explore_up_to(3, "a deadline against an end and a new thread", || {
        let mut sleepers = Sleepers::new();
        sleepers.reserve(1).unwrap();
        let slots = Arc::new(Slots {
            table: SpinLock::new(Rank::Scheduler, Table::new(1)),
            sleepers: SpinLock::new(Rank::Sleepers, sleepers),
        });
        let first = slots.add_sleeper(DEADLINE);
        let other = {
            let slots = slots.clone();
            thread::spawn(move || {
                slots.end_sleeper(first);
                slots.add_sleeper(2 * DEADLINE)
            })
        };
        let due = slots.sleepers.lock().pop_due(DEADLINE);
        assert!(due.is_none_or(|due| due == first), "not its time");
        let second = other.join().unwrap();
        assert_eq!(second.index(), first.index());
        assert_eq!(slots.sleepers.lock().earliest(), 2 * DEADLINE);
        assert!(slots.table.lock().get(second).is_some());
        assert!(slots.table.lock().get(first).is_none(), "a stale id");
    });
}
