//! The count of a thread's wakers: before its park, during it and after it.

use crate::explore;
use loom::sync::atomic::{AtomicUsize, Ordering::*};
use loom::thread::{self, JoinHandle};
use paddock_sched::{AtomicState, State, Wakers};
use std::sync::Arc;

/// A thread with so many wakers, which runs.
struct Waiting {
    state: AtomicState,
    wakers: Wakers,
    /// How often it was reported as lost.
    reports: AtomicUsize,
}

impl Waiting {
    fn new(wakers: usize) -> Arc<Self> {
        let waiting = Waiting {
            state: AtomicState::new_running(),
            wakers: Wakers::new(),
            reports: AtomicUsize::new(0),
        };
        (0..wakers).for_each(|_| waiting.wakers.add());
        Arc::new(waiting)
    }

    fn look(&self) {
        if self.wakers.lost(&self.state) {
            self.reports.fetch_add(1, Relaxed);
        }
    }

    /// The thread parks for ever: true if it is blocked.
    fn park(&self) -> bool {
        self.wakers.begin_park();
        let blocked = self.state.park();
        if blocked {
            self.look();
        } else {
            self.wakers.end_park();
        }
        blocked
    }

    /// A CPU runs the thread, which was made Ready, and it waits once more.
    fn wait_again(&self) {
        self.state.go(State::Running);
        self.wakers.end_park();
        self.wakers.add();
        self.park();
    }

    /// A waker goes without having been used.
    fn forget(self: &Arc<Self>) -> JoinHandle<()> {
        let waiting = self.clone();
        thread::spawn(move || {
            if waiting.wakers.forgotten() {
                waiting.look();
            }
        })
    }

    /// A waker is used: true if it made the thread Ready.
    fn wake(&self) -> bool {
        let readied = self.state.unpark();
        self.wakers.used();
        readied
    }
}

#[test]
fn a_lost_wake_up_is_noticed() {
    for wakers in [1, 2] {
        explore(
            &format!("park against {wakers} forgotten wakers"),
            move || {
                let waiting = Waiting::new(wakers);
                let others: Vec<_> = (0..wakers).map(|_| waiting.forget()).collect();
                assert!(waiting.park());
                others.into_iter().for_each(|other| other.join().unwrap());
                assert_ne!(waiting.reports.load(Relaxed), 0, "lost and not reported");
            },
        );
    }
}

#[test]
fn a_thread_that_is_woken_is_not_lost() {
    explore("park against a used and a forgotten waker", || {
        let waiting = Waiting::new(2);
        let forgets = waiting.forget();
        let wakes = {
            let waiting = waiting.clone();
            thread::spawn(move || waiting.wake())
        };
        let blocked = waiting.park();
        forgets.join().unwrap();
        assert_eq!(wakes.join().unwrap(), blocked);
        assert_eq!(waiting.reports.load(Relaxed), 0, "reported and not lost");
    });
}

/// A thread that was parked and has been made Ready, and a copy of the waker,
/// which goes at any time.
fn woken_with_a_late_waker() -> (Arc<Waiting>, JoinHandle<()>) {
    let waiting = Waiting::new(2);
    assert!(waiting.park());
    let forgets = waiting.forget();
    assert!(waiting.wake());
    (waiting, forgets)
}

/// A copy of a waker goes late: the thread is in its next park by then.
#[test]
fn a_waker_that_goes_late_is_not_taken_for_the_last() {
    explore("a forgotten waker against the next park", || {
        let (waiting, forgets) = woken_with_a_late_waker();
        waiting.wait_again();
        forgets.join().unwrap();
        assert_eq!(waiting.reports.load(Relaxed), 0, "it has a waker");
    });
}

/// The same for a next wait that has a deadline, and needs no waker.
#[test]
fn a_park_with_a_deadline_needs_no_waker() {
    explore("a forgotten waker against a park with a deadline", || {
        let (waiting, forgets) = woken_with_a_late_waker();
        waiting.state.go(State::Running);
        waiting.wakers.end_park();
        assert!(waiting.state.park());
        forgets.join().unwrap();
        assert_eq!(waiting.reports.load(Relaxed), 0, "its time will come");
    });
}
