//! [`Slab`]: objects by number, which is used again once they are gone.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use paddock_abi::{Errno, Result};
use paddock_sync::shrink_vec;

/// An object's name: a stale one finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// The place, which is below [`Slab::places`].
    pub index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    is_free: bool,
    /// `None` also while it is [taken out](Slab::take).
    value: Option<T>,
}

/// Objects in places. New ones get the lowest that is free, so that the room
/// of a crowd can be given back.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    /// Places that are free; some may be beyond the last one that there is.
    free: BinaryHeap<Reverse<u32>>,
    count: usize,
    /// That of the next object.
    generation: u32,
}

impl<T> Slab<T> {
    /// An empty one.
    pub const fn new() -> Slab<T> {
        Slab {
            entries: Vec::new(),
            free: BinaryHeap::new(),
            count: 0,
            generation: 0,
        }
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.entries.len()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Adds an object. `ENOMEM`.
    pub fn insert(&mut self, value: T) -> Result<Id> {
        let index = self.free_place()?;
        let generation = self.generation;
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return Err(Errno::ENOMEM);
        };
        *entry = Entry {
            generation,
            is_free: false,
            value: Some(value),
        };
        self.generation = generation.wrapping_add(1);
        self.count += 1;
        Ok(Id { index, generation })
    }

    /// A place that is no longer among the free ones. `ENOMEM`.
    fn free_place(&mut self) -> Result<u32> {
        let lowest = self.free.peek().map(|&Reverse(index)| index);
        if let Some(index) = lowest.filter(|&index| (index as usize) < self.entries.len()) {
            self.free.pop();
            return Ok(index);
        }
        // All that are left are beyond the last.
        self.free.clear();
        let index = self.entries.len();
        self.entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        // So that giving a place back never fails.
        let all = self.entries.len() + 1;
        self.free.try_reserve(all).map_err(|_| Errno::ENOMEM)?;
        self.entries.push(Entry {
            generation: 0,
            is_free: true,
            value: None,
        });
        Ok(index as u32)
    }

    fn entry(&mut self, id: Id) -> Option<&mut Entry<T>> {
        let entry = self.entries.get_mut(id.index as usize)?;
        (entry.generation == id.generation && !entry.is_free).then_some(entry)
    }

    /// The object of a name.
    pub fn get(&mut self, id: Id) -> Option<&mut T> {
        self.entry(id)?.value.as_mut()
    }

    /// The object of a place.
    pub fn at(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize)?.value.as_mut()
    }

    /// The name of the object of a place.
    pub fn id_at(&self, index: u32) -> Option<Id> {
        let generation = self.entries.get(index as usize)?.generation;
        Some(Id { index, generation })
    }

    /// Takes an object out for a while: its place stays its own.
    pub fn take(&mut self, index: u32) -> Option<T> {
        self.entries.get_mut(index as usize)?.value.take()
    }

    /// Puts it back.
    pub fn put(&mut self, index: u32, value: T) {
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.value = Some(value);
        }
    }

    /// Removes an object; its name is stale from now on.
    pub fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.entries.get_mut(index as usize)?;
        let value = entry.value.take()?;
        entry.is_free = true;
        self.count -= 1;
        self.free.push(Reverse(index));
        self.shrink();
        Some(value)
    }

    /// Gives back the free places at the end, and memory with them. Each
    /// place was made once for each time that it goes.
    fn shrink(&mut self) {
        while self.entries.last().is_some_and(|entry| entry.is_free) {
            self.entries.pop();
        }
        let (places, before) = (self.entries.len(), self.entries.capacity());
        shrink_vec(&mut self.entries, places);
        if self.entries.capacity() < before {
            let mut free = core::mem::take(&mut self.free).into_vec();
            free.retain(|&Reverse(index)| (index as usize) < places);
            shrink_vec(&mut free, places);
            self.free = free.into();
        }
    }

    /// All objects with their names. For listings only: it looks at all.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let generation = entry.generation;
                let id = Id {
                    index: index as u32,
                    generation,
                };
                Some((id, entry.value.as_ref()?))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stale_names_find_nothing() {
        let mut slab = Slab::new();
        let (one, two) = (slab.insert(1).unwrap(), slab.insert(2).unwrap());
        assert_eq!(slab.remove(one.index), Some(1));
        let three = slab.insert(3).unwrap();
        assert_eq!(three.index, one.index);
        assert_eq!(slab.get(one), None);
        assert_eq!(slab.get(three), Some(&mut 3));
        assert_eq!(slab.get(two), Some(&mut 2));
        assert_eq!((slab.len(), slab.places()), (2, 2));
        for id in [three, two] {
            slab.remove(id.index);
        }
        let again = slab.insert(4).unwrap();
        assert_eq!(again.index, 0);
        assert!([two, three].iter().all(|&id| slab.get(id).is_none()));
    }

    #[test]
    fn a_crowd_leaves_no_room_behind() {
        let mut slab = Slab::new();
        let first = slab.insert(0).unwrap();
        let crowd: Vec<_> = (1..10_000).map(|n| slab.insert(n).unwrap()).collect();
        for id in crowd {
            slab.remove(id.index);
        }
        assert_eq!((slab.len(), slab.places()), (1, 1));
        assert!(slab.entries.capacity() < 100 && slab.free.capacity() < 100);
        assert_eq!(slab.get(first), Some(&mut 0));
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((any::<bool>(), any::<usize>()), 0..2000)) {
            let (mut slab, mut model, mut gone) = (Slab::new(), Vec::new(), Vec::new());
            for (n, (adds, which)) in steps.into_iter().enumerate() {
                if adds || model.is_empty() {
                    model.push((slab.insert(n).unwrap(), n));
                } else {
                    let (id, value): (Id, usize) = model.swap_remove(which % model.len());
                    prop_assert_eq!(slab.remove(id.index), Some(value));
                    gone.push(id);
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            for (id, mut value) in model {
                prop_assert_eq!(slab.get(id), Some(&mut value));
            }
            prop_assert!(gone.into_iter().all(|id| slab.get(id).is_none()));
        }
    }
}
