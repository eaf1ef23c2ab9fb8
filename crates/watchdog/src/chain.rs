//! Who waits for whom: from a waiter to the lock, to its holder, to the lock
//! that one waits for, and so on.

/// How far a chain is followed.
pub const MAX_LINKS: usize = 16;

/// A look at threads and locks while others may change them.
pub trait View {
    /// A thread.
    type Thread: Copy + PartialEq;
    /// A lock.
    type Lock: Copy;

    /// What the thread waits for.
    fn waits_for(&mut self, thread: Self::Thread) -> Option<Self::Lock>;

    /// Who holds the lock, if that can be found out.
    fn holder(&mut self, lock: Self::Lock) -> Option<Self::Thread>;
}

/// How a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<T> {
    /// The last thread waits for no lock: it is what the others wait for.
    Holder(T),
    /// The last lock has no holder that could be found.
    Unheld,
    /// The holder is one who waits in the same chain: a deadlock.
    Cycle(T),
    /// It goes on after [`MAX_LINKS`].
    TooLong,
}

/// Follows the chain of waiters that begins at `start`; calls `visit` with
/// each waiter and what it waits for.
pub fn follow<V: View>(
    view: &mut V,
    start: V::Thread,
    mut visit: impl FnMut(&mut V, V::Thread, V::Lock),
) -> End<V::Thread> {
    let mut seen = [start; MAX_LINKS];
    let mut thread = start;
    for length in 0..MAX_LINKS {
        let Some(lock) = view.waits_for(thread) else {
            return End::Holder(thread);
        };
        visit(view, thread, lock);
        let Some(holder) = view.holder(lock) else {
            return End::Unheld;
        };
        if seen[..=length].contains(&holder) {
            return End::Cycle(holder);
        }
        if let Some(slot) = seen.get_mut(length + 1) {
            *slot = holder;
        }
        thread = holder;
    }
    End::TooLong
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thread `n` waits for lock `waits[n]`; lock `n` is held by `holds[n]`.
    struct Scene<'a> {
        waits: &'a [Option<usize>],
        holds: &'a [Option<usize>],
    }

    impl View for Scene<'_> {
        type Thread = usize;
        type Lock = usize;
        fn waits_for(&mut self, thread: usize) -> Option<usize> {
            self.waits[thread]
        }
        fn holder(&mut self, lock: usize) -> Option<usize> {
            self.holds[lock]
        }
    }

    fn run(waits: &[Option<usize>], holds: &[Option<usize>]) -> (Vec<(usize, usize)>, End<usize>) {
        let mut links = Vec::new();
        let mut scene = Scene { waits, holds };
        let end = follow(&mut scene, 0, |_, thread, lock| links.push((thread, lock)));
        (links, end)
    }

    #[test]
    fn a_thread_that_waits_for_nothing() {
        assert_eq!(run(&[None], &[]), (vec![], End::Holder(0)));
    }

    #[test]
    fn the_last_holder_is_the_one_to_look_at() {
        let (links, end) = run(&[Some(0), Some(1), None], &[Some(1), Some(2)]);
        assert_eq!(links, [(0, 0), (1, 1)]);
        assert_eq!(end, End::Holder(2));
    }

    #[test]
    fn a_lock_may_have_been_given_back_meanwhile() {
        assert_eq!(run(&[Some(0)], &[None]), (vec![(0, 0)], End::Unheld));
    }

    #[test]
    fn a_circle_is_a_deadlock() {
        let (links, end) = run(&[Some(0), Some(1), Some(2)], &[Some(1), Some(2), Some(1)]);
        assert_eq!(links, [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(end, End::Cycle(1));
        assert_eq!(run(&[Some(0)], &[Some(0)]), (vec![(0, 0)], End::Cycle(0)));
    }

    #[test]
    fn a_long_chain_is_cut_off() {
        let waits: Vec<_> = (0..100).map(Some).collect();
        let holds: Vec<_> = (1..101).map(Some).collect();
        let (links, end) = run(&waits, &holds);
        assert_eq!((links.len(), end), (MAX_LINKS, End::TooLong));
    }
}
