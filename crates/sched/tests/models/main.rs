//! Models of the scheduler's shared state: every interleaving of a few CPUs, or
//! every one with so many preemptions, weak memory included. Built with `--cfg loom`; `cargo xtask test --only
//! host` runs them and prints how many executions each took.

#![cfg(loom)]

mod sleepers;
mod wakers;

use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::*};
use loom::thread;
use paddock_sched::{AtomicState, Class, CpuMask, End, Queues, Runnable, State};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Explores all interleavings of a model.
fn explore(name: &str, model: impl Fn() + Sync + Send + 'static) {
    explore_bounded(name, None, "all interleavings", model);
}

/// Explores all interleavings with at most so many preemptions.
fn explore_up_to(preemptions: usize, name: &str, model: impl Fn() + Sync + Send + 'static) {
    let bound = format!("at most {preemptions} preemptions");
    explore_bounded(name, Some(preemptions), &bound, model);
}

fn explore_bounded(
    name: &str,
    preemptions: Option<usize>,
    bound: &str,
    model: impl Fn() + Sync + Send + 'static,
) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        paddock_sync::begin();
        model();
    });
    println!(
        "model {name}: {} executions ({bound})",
        executions.load(Relaxed)
    );
}

/// A thread that waits for `ready`, and wakers that set it: whoever makes the
/// thread Ready queues it, once.
struct Waiting {
    state: AtomicState,
    ready: AtomicBool,
    queued: AtomicUsize,
}

impl Waiting {
    fn new() -> Arc<Self> {
        Arc::new(Waiting {
            state: AtomicState::new_running(),
            ready: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
        })
    }

    fn wake(&self) {
        self.ready.store(true, Release);
        if self.state.unpark() {
            self.queued.fetch_add(1, AcqRel);
        }
    }

    /// Looks, then parks: true if it is blocked now.
    fn wait_once(&self) -> bool {
        !self.ready.load(Acquire) && self.state.park()
    }
}

#[test]
fn no_unpark_is_lost() {
    for wakers in [1, 2] {
        explore(&format!("park against {wakers} unparks"), move || {
            let waiting = Waiting::new();
            let others: Vec<_> = (0..wakers)
                .map(|_| {
                    let waiting = waiting.clone();
                    thread::spawn(move || waiting.wake())
                })
                .collect();
            let blocked = waiting.wait_once();
            others.into_iter().for_each(|other| other.join().unwrap());
            let queued = waiting.queued.load(Acquire);
            assert_eq!(queued, usize::from(blocked), "queued once if it blocked");
            if blocked {
                assert_eq!(waiting.state.get(), State::Ready);
                // What the waker set is seen by whoever runs the thread now.
                waiting.state.go(State::Running);
                assert!(waiting.ready.load(Acquire));
            }
        });
    }
}

#[test]
fn a_deadline_and_an_unpark_queue_once() {
    explore("park against a deadline and an unpark", || {
        let waiting = Waiting::new();
        assert!(waiting.state.park());
        let other = {
            let waiting = waiting.clone();
            thread::spawn(move || waiting.wake())
        };
        if waiting.state.expire() {
            waiting.queued.fetch_add(1, AcqRel);
        }
        other.join().unwrap();
        assert_eq!(waiting.queued.load(Acquire), 1);
        // If the unpark came second it left a note for the next park.
        waiting.state.go(State::Running);
    });
}

struct Fake {
    class: AtomicU8,
    on_cpu: AtomicBool,
    home: AtomicUsize,
}

impl Fake {
    fn new() -> Arc<Self> {
        Arc::new(Fake {
            class: AtomicU8::new(Class::User as u8),
            on_cpu: AtomicBool::new(false),
            home: AtomicUsize::new(0),
        })
    }
}

impl Runnable for Fake {
    fn class(&self) -> Class {
        Class::from_u8(self.class.load(Relaxed))
    }
    fn affinity(&self) -> CpuMask {
        CpuMask::ALL
    }
    fn on_cpu(&self) -> bool {
        self.on_cpu.load(Acquire)
    }
    fn home(&self) -> usize {
        self.home.load(Relaxed)
    }
    fn set_home(&self, cpu: usize) {
        self.home.store(cpu, Relaxed);
    }
}

fn queues() -> Arc<Queues<Fake, 2>> {
    let queues = Queues::new();
    queues.reserve(2, 4).unwrap();
    Arc::new(queues)
}

/// CPU 0 is busy and queues a thread; CPU 1 goes to sleep.
#[test]
fn no_cpu_sleeps_while_a_thread_waits() {
    explore("a push against a CPU that goes to sleep", || {
        let queues = queues();
        let sleeper = {
            let queues = queues.clone();
            thread::spawn(move || queues.enter_idle(1))
        };
        queues.push(0, End::Back, Fake::new());
        let called = queues.claim_idle(CpuMask::ALL, 1);
        let sleeps = sleeper.join().unwrap();
        if sleeps {
            assert_eq!(called, Some(1), "it sleeps and nobody calls it");
        } else {
            assert!(queues.pop(1, |_| true).is_some(), "it has the thread");
        }
    });
}

/// The same for a thread that was still on CPU 0 when CPU 1 looked: it is
/// offered once the switch away from it is complete.
#[test]
fn a_thread_that_leaves_its_cpu_is_offered() {
    explore(
        "an offer after a switch against a CPU that goes to sleep",
        || {
            let queues = queues();
            let thread_that_leaves = Fake::new();
            thread_that_leaves.on_cpu.store(true, Relaxed);
            let sleeper = {
                let queues = queues.clone();
                thread::spawn(move || queues.enter_idle(1))
            };
            queues.push(0, End::Front, thread_that_leaves.clone());
            thread_that_leaves.on_cpu.store(false, Release);
            let called = queues.claim_idle(queues.waiting_affinity(0), 1);
            let sleeps = sleeper.join().unwrap();
            assert!(
                !sleeps || called == Some(1),
                "it sleeps and nobody calls it"
            );
        },
    );
}

#[test]
fn a_thread_is_taken_by_one_cpu() {
    explore("two CPUs take one thread", || {
        let queues = queues();
        queues.push(0, End::Back, Fake::new());
        let thief = {
            let queues = queues.clone();
            thread::spawn(move || queues.steal(1).is_some())
        };
        let own = queues.pop(0, |_| true).is_some();
        let stolen = thief.join().unwrap();
        // The thief goes by a hint: it may miss the thread, which the owner
        // then has.
        assert!(
            own != stolen,
            "taken by {}",
            usize::from(own) + usize::from(stolen)
        );
    });
}

/// A class is lent to a thread that is on its way from queue 0 to queue 1.
#[test]
fn a_lent_class_is_never_missed() {
    explore("a class lent during a push", || {
        let queues = queues();
        let moved = Fake::new();
        let lender = {
            let (queues, moved) = (queues.clone(), moved.clone());
            thread::spawn(move || {
                moved.class.store(Class::System as u8, Relaxed);
                queues.reclass(|| moved.home(), |other| Arc::ptr_eq(other, &moved));
            })
        };
        queues.push(1, End::Back, moved.clone());
        lender.join().unwrap();
        assert_eq!(queues.best(1), Some(Class::System));
    });
}

/// A class is lent to a thread while CPU 1 takes it out of the queue of CPU 0
/// and puts it into its own.
#[test]
fn a_class_lent_to_a_stolen_thread_is_never_missed() {
    explore("a class lent during a theft", || {
        let queues = queues();
        let moved = Fake::new();
        queues.push(0, End::Back, moved.clone());
        let lender = {
            let (queues, moved) = (queues.clone(), moved.clone());
            thread::spawn(move || {
                moved.class.store(Class::System as u8, Relaxed);
                queues.reclass(|| moved.home(), |other| Arc::ptr_eq(other, &moved));
            })
        };
        if let Some(stolen) = queues.steal(1) {
            queues.push(1, End::Front, stolen);
        }
        lender.join().unwrap();
        assert_eq!(queues.best(moved.home()), Some(Class::System));
    });
}
