//! The run queues of all CPUs, with stealing, and how a CPU goes to sleep.
//!
//! A queued thread may still be on a CPU: its switch away from there is not
//! complete, or it was unparked before it had left. Such a thread is only in
//! the queue of that CPU, and only that CPU takes it out. So no CPU ever
//! waits for another one to finish a switch.

use crate::idle::{CpuMask, IdleMask};
use crate::run_queue::{Class, End, RunQueue};
use crate::shim::{AtomicBool, AtomicUsize, const_fn, fence};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use paddock_abi::Result;
use paddock_sync::{IrqOff, Rank, SpinLock};

/// What the queues have to know of a thread.
pub trait Runnable {
    /// What it runs as now; a thread may be lent a better class at any time.
    fn class(&self) -> Class;
    /// Where it may run.
    fn affinity(&self) -> CpuMask;
    /// Whether some CPU still uses its stack.
    fn on_cpu(&self) -> bool;
    /// The CPU in whose queue it was put last, or on which it ran last.
    fn home(&self) -> usize;
    /// Sets the CPU in whose queue it is.
    fn set_home(&self, cpu: usize);
}

struct Queue<T> {
    ready: SpinLock<RunQueue<Arc<T>>, IrqOff>,
    /// How many are in the queue: a hint for who looks from outside.
    length: AtomicUsize,
    /// Operators have had their share of the CPU.
    operators_yield: AtomicBool,
}

impl<T> Queue<T> {
    const_fn! {
        fn new() -> Self {
            Queue {
                ready: SpinLock::new(Rank::Scheduler, RunQueue::new()),
                length: AtomicUsize::new(0),
                operators_yield: AtomicBool::new(false),
            }
        }
    }
}

/// The run queues of `CPUS` CPUs. Interrupts are masked, and the caller
/// stays on its CPU, in every call that names it.
pub struct Queues<T, const CPUS: usize> {
    queues: [Queue<T>; CPUS],
    idle: IdleMask,
}

impl<T: Runnable, const CPUS: usize> Queues<T, CPUS> {
    /// Empty queues; nobody is idle.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Queues {
            queues: [const { Queue::new() }; CPUS],
            idle: IdleMask::new(),
        }
    }

    /// Empty queues; nobody is idle.
    #[cfg(loom)]
    pub fn new() -> Self {
        Queues {
            queues: core::array::from_fn(|_| Queue::new()),
            idle: IdleMask::new(),
        }
    }

    /// Makes room for `count` threads in the queues of the first `cpus` CPUs.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn reserve(&self, cpus: usize, count: usize) -> Result<()> {
        self.queues
            .iter()
            .take(cpus)
            .try_for_each(|queue| queue.ready.lock().reserve(count))
    }

    /// Puts a Ready thread into the queue of `cpu`.
    pub fn push(&self, cpu: usize, end: End, thread: Arc<T>) {
        let queue = &self.queues[cpu];
        // The home before the class: see `reclass`.
        thread.set_home(cpu);
        fence(SeqCst);
        let mut ready = queue.ready.lock();
        ready.push(thread.class(), end, thread);
        queue.length.store(ready.len(), Relaxed);
    }

    /// The class of the next thread of `cpu`.
    pub fn best(&self, cpu: usize) -> Option<Class> {
        let queue = &self.queues[cpu];
        let yields = queue.operators_yield.load(Relaxed);
        queue.ready.lock().best(yields)
    }

    /// Sets whether operators have had their share of `cpu`, the calling one.
    pub fn set_operators_yield(&self, cpu: usize, yields: bool) {
        self.queues[cpu].operators_yield.store(yields, Relaxed);
    }

    /// What a class counts as on `cpu`.
    pub fn class_on(&self, cpu: usize, class: Class) -> Class {
        class.unless(self.queues[cpu].operators_yield.load(Relaxed))
    }

    /// Takes out the next thread of `cpu`, the calling one, if `wanted` holds
    /// for its class.
    pub fn pop(&self, cpu: usize, wanted: impl FnOnce(Class) -> bool) -> Option<Arc<T>> {
        let queue = &self.queues[cpu];
        let yields = queue.operators_yield.load(Relaxed);
        let mut ready = queue.ready.lock();
        if !ready.best(yields).is_some_and(wanted) {
            return None;
        }
        let thread = ready.pop(yields);
        queue.length.store(ready.len(), Relaxed);
        thread
    }

    /// As [`Self::pop`], but takes the thread with the smallest key.
    pub fn pop_least(&self, cpu: usize, key: impl FnMut(&Arc<T>) -> u64) -> Option<Arc<T>> {
        let queue = &self.queues[cpu];
        let mut ready = queue.ready.lock();
        let thread = ready.take_least(key);
        queue.length.store(ready.len(), Relaxed);
        thread
    }

    /// Takes a thread for `thief` out of the queue of `victim`.
    fn take(&self, victim: usize, thief: usize) -> Option<Arc<T>> {
        let queue = &self.queues[victim];
        let mut ready = queue.ready.lock();
        let thread = ready.take(|thread| thread.affinity().has(thief) && !thread.on_cpu());
        queue.length.store(ready.len(), Relaxed);
        thread
    }

    /// Takes a thread that waits for another CPU and may run on `thief`.
    pub fn steal(&self, thief: usize) -> Option<Arc<T>> {
        self.take_where(thief, 1)
    }

    /// Evens the load out a little: takes a thread from a CPU at which at
    /// least two more wait than at `thief`.
    pub fn balance(&self, thief: usize) -> Option<Arc<T>> {
        self.take_where(thief, self.length(thief) + 2)
    }

    /// Takes a thread for `thief` from a CPU at which, by the hint, at least
    /// so many wait.
    fn take_where(&self, thief: usize, waiting: usize) -> Option<Arc<T>> {
        (1..CPUS)
            .map(|distance| (thief + distance) % CPUS)
            .filter(|&victim| self.length(victim) >= waiting)
            .find_map(|victim| self.take(victim, thief))
    }

    /// How many threads wait for `cpu`; a hint, without the lock.
    pub fn length(&self, cpu: usize) -> usize {
        self.queues[cpu].length.load(Relaxed)
    }

    /// `cpu` is about to sleep: announces it and looks a last time. True if
    /// it may sleep until it is interrupted; false if its own queue has work
    /// (stolen work included).
    pub fn enter_idle(&self, cpu: usize) -> bool {
        self.idle.announce(cpu);
        if self.best(cpu).is_none() {
            // Not by the hint: the lock orders this look after the
            // announcement as whoever pushed will see it.
            let stolen = (0..CPUS)
                .filter(|&victim| victim != cpu)
                .find_map(|victim| self.take(victim, cpu));
            match stolen {
                Some(thread) => self.push(cpu, End::Front, thread),
                None => return true,
            }
        }
        self.idle.withdraw(cpu);
        false
    }

    /// `cpu` has been woken.
    pub fn leave_idle(&self, cpu: usize) {
        self.idle.withdraw(cpu);
    }

    /// Takes an idle CPU for a thread that may run on `allowed`; the caller
    /// has to interrupt it.
    pub fn claim_idle(&self, allowed: CpuMask, preferred: usize) -> Option<usize> {
        self.idle.claim(allowed, preferred)
    }

    /// Moves a queued thread to the place of its class, which has just
    /// changed; the CPU in whose queue it is, or `None` if it is in none.
    /// `home` is asked for that CPU, `same` tells the thread from others.
    ///
    /// The class was changed before this call, and `push` sets the home
    /// before it reads the class; with a fence between the two on both sides,
    /// either the home is seen here or the new class there. A push that has
    /// the lock after this one sees the class, too.
    pub fn reclass(
        &self,
        home: impl Fn() -> usize,
        same: impl Fn(&Arc<T>) -> bool,
    ) -> Option<usize> {
        fence(SeqCst);
        loop {
            let cpu = home();
            let mut ready = self.queues[cpu].ready.lock();
            if let Some(found) = ready.take(&same) {
                ready.push(found.class(), End::Front, found);
                return Some(cpu);
            }
            drop(ready);
            if home() == cpu {
                return None;
            }
        }
    }

    /// Whether some CPU sleeps, or is about to.
    pub fn anybody_idle(&self) -> bool {
        self.idle.any(CpuMask::ALL)
    }

    /// The CPUs on which somebody who waits for `cpu` may run.
    pub fn waiting_affinity(&self, cpu: usize) -> CpuMask {
        let ready = self.queues[cpu].ready.lock();
        CpuMask(ready.iter().fold(0, |all, one| all | one.affinity().0))
    }
}

impl<T: Runnable, const CPUS: usize> Default for Queues<T, CPUS> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};

    struct Fake {
        class: AtomicU8,
        affinity: CpuMask,
        on_cpu: AtomicBool,
        home: AtomicUsize,
    }

    impl Fake {
        fn new(affinity: CpuMask) -> Arc<Self> {
            Arc::new(Fake {
                class: AtomicU8::new(Class::User as u8),
                affinity,
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
            self.affinity
        }
        fn on_cpu(&self) -> bool {
            self.on_cpu.load(Relaxed)
        }
        fn home(&self) -> usize {
            self.home.load(Relaxed)
        }
        fn set_home(&self, cpu: usize) {
            self.home.store(cpu, Relaxed);
        }
    }

    fn queues() -> Queues<Fake, 3> {
        let queues = Queues::new();
        queues.reserve(3, 8).unwrap();
        queues
    }

    #[test]
    fn what_is_on_a_cpu_or_not_allowed_is_not_stolen() {
        let queues = queues();
        let bound = Fake::new(CpuMask::only(0));
        let leaving = Fake::new(CpuMask::ALL);
        leaving.on_cpu.store(true, Relaxed);
        queues.push(0, End::Back, bound);
        queues.push(0, End::Back, leaving.clone());
        assert!(queues.steal(1).is_none());
        leaving.on_cpu.store(false, Relaxed);
        assert!(queues.steal(1).is_some());
        assert!(queues.steal(1).is_none());
        assert!(queues.pop(0, |_| true).is_some());
    }

    #[test]
    fn a_cpu_with_work_does_not_sleep() {
        let queues = queues();
        assert!(queues.enter_idle(2));
        assert_eq!(queues.claim_idle(CpuMask::ALL, 0), Some(2));
        queues.push(0, End::Back, Fake::new(CpuMask::ALL));
        assert!(!queues.enter_idle(2));
        assert_eq!(queues.claim_idle(CpuMask::ALL, 0), None);
        let stolen = queues.pop(2, |_| true).unwrap();
        assert_eq!(stolen.home(), 2);
    }

    #[test]
    fn a_lent_class_moves_a_queued_thread() {
        let queues = queues();
        let (first, second) = (Fake::new(CpuMask::ALL), Fake::new(CpuMask::ALL));
        queues.push(1, End::Back, first);
        queues.push(1, End::Back, second.clone());
        second.class.store(Class::System as u8, Relaxed);
        let move_it = || queues.reclass(|| second.home(), |other| Arc::ptr_eq(other, &second));
        assert_eq!(move_it(), Some(1));
        assert_eq!(queues.best(1), Some(Class::System));
        let next = queues.pop(1, |_| true).unwrap();
        assert!(Arc::ptr_eq(&next, &second));
        assert_eq!(move_it(), None);
    }

    #[test]
    fn balance_moves_only_from_much_longer_queues() {
        let queues = queues();
        queues.push(0, End::Back, Fake::new(CpuMask::ALL));
        assert!(queues.balance(1).is_none());
        queues.push(0, End::Back, Fake::new(CpuMask::ALL));
        assert!(queues.balance(1).is_some());
    }
}
