//! Values under keys that find nothing once the value is gone.

use alloc::vec::Vec;
use core::marker::PhantomData;
use paddock_abi::{Errno, Result};

/// Names a value of a [`Slab`].
pub struct Key<T> {
    index: u32,
    generation: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Values by key.
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    used: usize,
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Slab {
            slots: Vec::new(),
            used: 0,
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Adds a value. `ENOMEM`.
    pub fn insert(&mut self, value: T) -> Result<Key<T>> {
        let free = self.slots.iter().position(|slot| slot.value.is_none());
        let index = match free {
            Some(index) => index,
            None => {
                self.slots.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                self.slots.push(Slot {
                    generation: 0,
                    value: None,
                });
                self.slots.len() - 1
            }
        };
        let slot = self.slots.get_mut(index).ok_or(Errno::ENOMEM)?;
        slot.value = Some(value);
        self.used += 1;
        Ok(Key {
            index: index as u32,
            generation: slot.generation,
            kind: PhantomData,
        })
    }

    /// The value of a key.
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        slot.value
            .as_ref()
            .filter(|_| slot.generation == key.generation)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        slot.value
            .as_mut()
            .filter(|_| slot.generation == key.generation)
    }

    /// Takes a value out: its key finds nothing from now on.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.used -= 1;
        Some(value)
    }

    /// The key of the first value at or after a place, and the next place:
    /// for walking while values come and go.
    pub fn next(&self, place: usize) -> Option<(Key<T>, usize)> {
        let found = self
            .slots
            .iter()
            .skip(place)
            .position(|slot| slot.value.is_some())?;
        let index = place + found;
        let generation = self.slots.get(index)?.generation;
        Some((
            Key {
                index: index as u32,
                generation,
                kind: PhantomData,
            },
            index + 1,
        ))
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }
}
