//! All objects of a kind, for as long as somebody has them.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// Objects that the list does not keep alive. None ever changes its place, so
/// that going through them misses none that was there from the start, whatever
/// comes and goes meanwhile.
#[derive(Debug)]
pub struct WeakList<T> {
    slots: SpinLock<Vec<Weak<T>>, PreemptOff>,
}

impl<T> WeakList<T> {
    /// None. Its lock is of rank [`Rank::Leaf`].
    pub const fn new() -> Self {
        WeakList {
            slots: SpinLock::new(Rank::Leaf, Vec::new()),
        }
    }

    /// Adds one, in the place of one that is gone if there is any. Any context
    /// but an interrupt.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn add(&self, object: &Arc<T>) -> Result<()> {
        let mut slots = self.slots.lock();
        let free = slots.iter().position(|slot| slot.strong_count() == 0);
        match free.and_then(|index| slots.get_mut(index)) {
            Some(slot) => *slot = Arc::downgrade(object),
            None => {
                slots.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                slots.push(Arc::downgrade(object));
            }
        }
        Ok(())
    }

    /// Calls `each` for all, with no lock held: it may do what it likes, and
    /// sleep if its caller may.
    pub fn for_each(&self, mut each: impl FnMut(&Arc<T>)) {
        let mut index = 0;
        loop {
            let Some(object) = self.slots.lock().get(index).cloned() else {
                return;
            };
            if let Some(object) = object.upgrade() {
                each(&object);
            }
            index += 1;
        }
    }
}

impl<T> Default for WeakList<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(list: &WeakList<u32>) -> Vec<u32> {
        let mut found = Vec::new();
        list.for_each(|object| found.push(**object));
        found
    }

    #[test]
    fn those_that_are_gone_make_room() {
        let list = WeakList::new();
        let [first, second] = [1, 2].map(Arc::new);
        list.add(&first).unwrap();
        list.add(&second).unwrap();
        drop(first);
        assert_eq!(all(&list), [2]);
        let third = Arc::new(3);
        list.add(&third).unwrap();
        assert_eq!(all(&list), [3, 2]);
        assert_eq!(list.slots.lock().len(), 2);
    }

    proptest! {
        /// Each time one is visited, others end and begin.
        #[test]
        fn nobody_that_stays_is_missed(
            stays in proptest::collection::vec(any::<bool>(), 1..20),
            adds in 0usize..3,
        ) {
            let list = WeakList::new();
            let mut going = Vec::new();
            let mut staying = Vec::new();
            for (number, &stays) in stays.iter().enumerate() {
                let object = Arc::new(number);
                list.add(&object).unwrap();
                if stays { staying.push(object) } else { going.push(object) }
            }
            let mut missed: Vec<usize> = staying.iter().map(|object| **object).collect();
            let mut added = Vec::new();
            list.for_each(|object| {
                missed.retain(|number| *number != **object);
                going.pop();
                // At some time no more, so that it comes to an end.
                if added.len() < 50 {
                    for _ in 0..adds {
                        added.push(Arc::new(usize::MAX));
                        list.add(&added[added.len() - 1]).unwrap();
                    }
                }
            });
            prop_assert!(missed.is_empty(), "{:?}", missed);
        }
    }
}
