//! Who runs next: system threads before user threads, each in turn.

use alloc::collections::VecDeque;
use paddock_abi::{Errno, Result};

/// Which threads run before which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// The kernel's own threads: first.
    System,
    /// Threads of processes.
    User,
    /// A CPU's idle thread: only when nobody else is ready. Never queued.
    Idle,
}

/// Ready threads in the order in which they will run.
pub struct RunQueue<T> {
    queues: [VecDeque<T>; 2],
}

impl<T> RunQueue<T> {
    /// An empty queue.
    pub const fn new() -> Self {
        RunQueue {
            queues: [VecDeque::new(), VecDeque::new()],
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

    /// Puts a thread at the end of its class.
    pub fn push(&mut self, class: Class, thread: T) {
        if let Some(queue) = self.queues.get_mut(class as usize) {
            queue.push_back(thread);
        }
    }

    /// Puts a thread at the head of its class: it was waiting and has part of
    /// its slice left, so it runs soon.
    pub fn push_front(&mut self, class: Class, thread: T) {
        if let Some(queue) = self.queues.get_mut(class as usize) {
            queue.push_front(thread);
        }
    }

    /// Takes out the thread that is to run next.
    pub fn pop(&mut self) -> Option<T> {
        self.queues.iter_mut().find_map(VecDeque::pop_front)
    }

    /// The class of the thread that is to run next.
    pub fn best(&self) -> Option<Class> {
        if !self.queues[0].is_empty() {
            Some(Class::System)
        } else if !self.queues[1].is_empty() {
            Some(Class::User)
        } else {
            None
        }
    }

    /// How many threads are ready.
    pub fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Whether nobody is ready.
    pub fn is_empty(&self) -> bool {
        self.best().is_none()
    }
}

impl<T> Default for RunQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}
