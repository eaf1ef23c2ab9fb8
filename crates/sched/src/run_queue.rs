//! Who runs next on one CPU: class before class, each in turn.

use alloc::collections::VecDeque;
use paddock_abi::{Errno, Result};

/// Which threads run before which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// The kernel's own threads: first.
    System,
    /// Threads of process 1 and of root's logins, for a part of each CPU (see
    /// [`crate::Share`]), and threads that have been killed.
    Operator,
    /// Threads of processes.
    User,
    /// A CPU's idle thread: only when nobody else is ready. Never queued.
    Idle,
}

impl Class {
    /// The class of this number, as `self as u8` gave it; larger ones are
    /// Idle.
    pub const fn from_u8(number: u8) -> Class {
        match number {
            0 => Class::System,
            1 => Class::Operator,
            2 => Class::User,
            _ => Class::Idle,
        }
    }

    /// What it counts as: [`Class::Operator`] for [`Class::User`] where
    /// operators yield.
    pub const fn unless(self, operators_yield: bool) -> Class {
        match self {
            Class::Operator if operators_yield => Class::User,
            class => class,
        }
    }
}

/// Where in its class a thread is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was waiting, or was interrupted, and has part of its slice left.
    Front,
    /// Its slice is used up.
    Back,
}

/// Ready threads in the order in which they will run.
pub struct RunQueue<T> {
    queues: [VecDeque<T>; Class::Idle as usize],
}

impl<T> RunQueue<T> {
    /// An empty queue.
    pub const fn new() -> Self {
        RunQueue {
            queues: [const { VecDeque::new() }; Class::Idle as usize],
        }
    }

    /// Makes room for `count` threads, so that `push` never allocates.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn reserve(&mut self, count: usize) -> Result<()> {
        for queue in &mut self.queues {
            let more = count.saturating_sub(queue.len());
            queue.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        }
        Ok(())
    }

    /// Puts a thread at an end of its class.
    pub fn push(&mut self, class: Class, end: End, thread: T) {
        if let Some(queue) = self.queues.get_mut(class as usize) {
            match end {
                End::Front => queue.push_front(thread),
                End::Back => queue.push_back(thread),
            }
        }
    }

    /// Takes out the thread that is to run next. With `operators_yield`,
    /// those of [`Class::Operator`] come after those of [`Class::User`].
    pub fn pop(&mut self, operators_yield: bool) -> Option<T> {
        let [system, operators, users] = &mut self.queues;
        let (second, third) = match operators_yield {
            true => (users, operators),
            false => (operators, users),
        };
        [system, second, third]
            .into_iter()
            .find_map(VecDeque::pop_front)
    }

    /// Takes out the thread with the smallest key, whatever its class.
    pub fn take_least(&mut self, mut key: impl FnMut(&T) -> u64) -> Option<T> {
        let places = self.queues.iter().enumerate();
        let all = places.flat_map(|(class, queue)| {
            let threads = queue.iter().enumerate();
            threads.map(move |(at, thread)| (class, at, thread))
        });
        let (class, at, _) = all.min_by_key(|(_, _, thread)| key(thread))?;
        self.queues[class].remove(at)
    }

    /// Takes out the first thread for which `wanted` holds.
    pub fn take(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Option<T> {
        self.queues.iter_mut().find_map(|queue| {
            let at = queue.iter().position(&mut wanted)?;
            queue.remove(at)
        })
    }

    /// The class of the thread that is to run next: with `operators_yield`,
    /// those of [`Class::Operator`] are no better than [`Class::User`].
    pub fn best(&self, operators_yield: bool) -> Option<Class> {
        let first = self.queues.iter().position(|queue| !queue.is_empty())?;
        Some(Class::from_u8(first as u8).unless(operators_yield))
    }

    /// How many threads are ready.
    pub fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Whether nobody is ready.
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// The ready threads, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queues.iter().flatten()
    }
}

impl<T> Default for RunQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_threads_come_first_and_the_front_before_the_back() {
        let mut queue = RunQueue::new();
        queue.push(Class::User, End::Back, 1);
        queue.push(Class::User, End::Front, 2);
        queue.push(Class::Operator, End::Back, 4);
        assert_eq!(queue.best(false), Some(Class::Operator));
        queue.push(Class::System, End::Back, 3);
        assert_eq!(queue.best(false), Some(Class::System));
        let order: Vec<_> = core::iter::from_fn(|| queue.pop(false)).collect();
        assert_eq!(order, [3, 4, 2, 1]);
    }

    #[test]
    fn operators_that_yield_come_after_users_but_keep_their_places() {
        let mut queue = RunQueue::new();
        queue.push(Class::Operator, End::Back, 1);
        assert_eq!(queue.best(true), Some(Class::User));
        queue.push(Class::User, End::Back, 2);
        queue.push(Class::User, End::Back, 3);
        assert_eq!(queue.pop(true), Some(2));
        assert_eq!(queue.best(false), Some(Class::Operator));
        assert_eq!(queue.pop(false), Some(1));
        assert_eq!(queue.pop(true), Some(3));
        assert!(queue.is_empty() && queue.best(true).is_none());
    }

    #[test]
    fn a_thread_is_taken_from_the_middle() {
        let mut queue = RunQueue::new();
        (0..4).for_each(|number| queue.push(Class::User, End::Back, number));
        assert_eq!(queue.take(|&number| number == 2), Some(2));
        assert_eq!(queue.take(|&number| number == 2), None);
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn the_smallest_key_is_taken_whatever_its_class() {
        let mut queue = RunQueue::new();
        for (class, number) in [(Class::User, 3), (Class::System, 4), (Class::User, 1)] {
            queue.push(class, End::Back, number);
        }
        queue.push(Class::System, End::Back, 2);
        let mut take = || queue.take_least(|&number| number);
        let order: Vec<_> = core::iter::from_fn(&mut take).collect();
        assert_eq!(order, [1, 2, 3, 4]);
    }
}
