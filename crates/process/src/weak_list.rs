//! All objects of a kind, for as long as somebody has them.

use alloc::collections::BTreeSet;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, may_allocate};

/// No place.
const NOWHERE: usize = usize::MAX;

/// Objects that the list does not keep alive; each leaves it as it goes, so
/// that nothing of it stays. None ever changes its place, so that going
/// through them misses none that was there from the start, whatever comes and
/// goes meanwhile.
#[derive(Debug)]
pub struct WeakList<T> {
    places: SpinLock<Places<T>, PreemptOff>,
}

#[derive(Debug)]
struct Places<T> {
    /// Free ones refer to nothing. The last one is in use.
    all: Vec<Weak<T>>,
    free: BTreeSet<usize>,
}

/// An object's place in its list: a field of the object.
#[derive(Debug)]
pub struct Membership<T: 'static> {
    list: &'static WeakList<T>,
    place: AtomicUsize,
}

impl<T> Membership<T> {
    /// That of an object which is to be [added](WeakList::add) to `list`.
    pub const fn new(list: &'static WeakList<T>) -> Self {
        Membership {
            list,
            place: AtomicUsize::new(NOWHERE),
        }
    }
}

impl<T> Drop for Membership<T> {
    fn drop(&mut self) {
        let place = *self.place.get_mut();
        if place != NOWHERE {
            self.list.remove(place);
        }
    }
}

/// What can be in a list.
pub trait Listed: Sized + 'static {
    /// Its place.
    fn membership(&self) -> &Membership<Self>;
}

impl<T> WeakList<T> {
    /// None. Its lock is of rank [`Rank::Leaf`].
    pub const fn new() -> Self {
        WeakList {
            places: SpinLock::new(
                Rank::Leaf,
                Places {
                    all: Vec::new(),
                    free: BTreeSet::new(),
                },
            ),
        }
    }

    /// Any context but an interrupt.
    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    fn remove(&self, place: usize) {
        let mut places = self.places.lock();
        let gone = places.all.get_mut(place).map(core::mem::take);
        places.free.insert(place);
        while let Some(last) = places.all.len().checked_sub(1)
            && places.free.remove(&last)
        {
            places.all.pop();
        }
        let emptied = match places.all.is_empty() {
            true => core::mem::take(&mut places.all),
            false => Vec::new(),
        };
        drop(places);
        drop((gone, emptied));
    }

    /// Calls `each` for all, with no lock held: it may do what it likes, and
    /// sleep if its caller may.
    pub fn for_each(&self, mut each: impl FnMut(&Arc<T>)) {
        let mut index = 0;
        loop {
            let Some(object) = self.places.lock().all.get(index).cloned() else {
                return;
            };
            if let Some(object) = object.upgrade() {
                each(&object);
            }
            index += 1;
        }
    }
}

impl<T: Listed> WeakList<T> {
    /// Adds one, in the place of one that is gone if there is any. Any context
    /// but an interrupt.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn add(&self, object: &Arc<T>) -> Result<()> {
        may_allocate()?;
        let mut places = self.places.lock();
        let place = match places.free.pop_first() {
            Some(place) => {
                places.all[place] = Arc::downgrade(object);
                place
            }
            None => {
                places.all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                places.all.push(Arc::downgrade(object));
                places.all.len() - 1
            }
        };
        object.membership().place.store(place, Relaxed);
        Ok(())
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

    struct Number(usize, Membership<Number>);

    impl Listed for Number {
        fn membership(&self) -> &Membership<Number> {
            &self.1
        }
    }

    fn list() -> &'static WeakList<Number> {
        Box::leak(Box::new(WeakList::new()))
    }

    fn add(list: &'static WeakList<Number>, number: usize) -> Arc<Number> {
        let object = Arc::new(Number(number, Membership::new(list)));
        list.add(&object).unwrap();
        object
    }

    fn all(list: &WeakList<Number>) -> Vec<usize> {
        let mut found = Vec::new();
        list.for_each(|object| found.push(object.0));
        found
    }

    #[test]
    fn those_that_are_gone_make_room() {
        let list = list();
        let (first, second) = (add(list, 1), add(list, 2));
        let watched = Arc::downgrade(&first);
        drop(first);
        assert_eq!(all(list), [2]);
        assert_eq!(watched.weak_count(), 0, "nothing of it is kept");
        let third = add(list, 3);
        assert_eq!(all(list), [3, 2]);
        drop((second, third));
        assert_eq!(list.places.lock().all.capacity(), 0);
    }

    #[test]
    fn one_that_was_never_added_leaves_nothing() {
        let list = list();
        let kept = add(list, 1);
        drop(Number(2, Membership::new(list)));
        assert_eq!(all(list), [1]);
        drop(kept);
    }

    proptest! {
        /// Each time one is visited, others end and begin.
        #[test]
        fn nobody_that_stays_is_missed(
            stays in proptest::collection::vec(any::<bool>(), 1..20),
            adds in 0usize..3,
        ) {
            let list = list();
            let mut going = Vec::new();
            let mut staying = Vec::new();
            for (number, &stays) in stays.iter().enumerate() {
                let object = add(list, number);
                if stays { staying.push(object) } else { going.push(object) }
            }
            let mut missed: Vec<usize> = staying.iter().map(|object| object.0).collect();
            let mut added = Vec::new();
            list.for_each(|object| {
                missed.retain(|number| *number != object.0);
                going.pop();
                // At some time no more, so that it comes to an end.
                if added.len() < 50 {
                    for _ in 0..adds {
                        added.push(add(list, usize::MAX));
                    }
                }
            });
            prop_assert!(missed.is_empty(), "{:?}", missed);
            drop((going, staying, added));
            prop_assert_eq!(list.places.lock().all.len(), 0);
        }
    }
}
