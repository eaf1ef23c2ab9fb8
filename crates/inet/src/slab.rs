//! [`Slab`]: objects by number, which is used again once they are gone.

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

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
    value: Option<T>,
}

/// Objects in places.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty one.
    pub const fn new() -> Slab<T> {
        Slab {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.entries.len()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Adds an object. `ENOMEM`.
    pub fn insert(&mut self, value: T) -> Result<Id> {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.value = Some(value);
            let generation = entry.generation;
            return Ok(Id { index, generation });
        }
        let index = self.entries.len() as u32;
        self.entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        // So that giving a place back never fails.
        let missing = self.entries.len() + 1 - self.free.len();
        self.free.try_reserve(missing).map_err(|_| Errno::ENOMEM)?;
        self.entries.push(Entry {
            generation: 0,
            value: Some(value),
        });
        Ok(Id {
            index,
            generation: 0,
        })
    }

    fn entry(&mut self, id: Id) -> Option<&mut Entry<T>> {
        let entry = self.entries.get_mut(id.index as usize)?;
        (entry.generation == id.generation).then_some(entry)
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
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
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
    use super::Slab;

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
    }
}
