//! A table whose ids go stale instead of being confused.

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// Names an entry of a [`Table`]: an index, and how often it has been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    index: u32,
    generation: u32,
}

impl Id {
    /// The slot's index, below the table's capacity.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Both parts in one number.
    pub const fn to_u64(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// An id for something that is in no table.
    pub const fn none() -> Id {
        Id {
            index: u32::MAX,
            generation: 0,
        }
    }
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Values by generational id; a stale id finds nothing.
pub struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    limit: usize,
    used: usize,
}

impl<T> Table<T> {
    /// An empty table that will hold at most `limit` values.
    pub const fn new(limit: usize) -> Self {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            limit,
            used: 0,
        }
    }

    /// Adds the value that `make` makes for its id.
    ///
    /// # Errors
    /// `EAGAIN` if the table is full, `ENOMEM`, or what `make` fails with.
    pub fn insert_with(&mut self, make: impl FnOnce(Id) -> Result<T>) -> Result<Id> {
        if self.used >= self.limit {
            return Err(Errno::EAGAIN);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => self.add_slot()?,
        };
        let slot = &mut self.slots[index as usize];
        let id = Id {
            index,
            generation: slot.generation,
        };
        match make(id) {
            Ok(value) => {
                slot.value = Some(value);
                self.used += 1;
                Ok(id)
            }
            Err(error) => {
                self.free.push(index);
                Err(error)
            }
        }
    }

    fn add_slot(&mut self) -> Result<u32> {
        self.slots.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        // Every slot can be free at once: removal must not allocate.
        self.free
            .try_reserve(self.slots.len() + 1)
            .map_err(|_| Errno::ENOMEM)?;
        self.slots.push(Slot {
            generation: 1,
            value: None,
        });
        Ok(self.slots.len() as u32 - 1)
    }

    /// The value of this id, if it is still the same one.
    pub fn get(&self, id: Id) -> Option<&T> {
        let slot = self.slots.get(id.index())?;
        slot.value
            .as_ref()
            .filter(|_| slot.generation == id.generation)
    }

    /// Takes the value out; its id is stale from then on.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation != id.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.used -= 1;
        Some(value)
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// How many slots have ever been in use: all indices are below.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing() {
        let mut table = Table::new(2);
        let first = table.insert_with(|_| Ok('a')).unwrap();
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert_with(|_| Ok('b')).unwrap();
        assert_eq!(first.index(), second.index());
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&'b'));
    }

    #[test]
    fn a_full_table_is_an_error() {
        let mut table = Table::new(1);
        table.insert_with(|_| Ok(())).unwrap();
        assert_eq!(table.insert_with(|_| Ok(())), Err(Errno::EAGAIN));
    }
}
