//! Identifiers and keys of objects.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::ipc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, SpinLock, try_insert};

/// An identifier is an index below this, and above it a sequence number.
const INDICES: u32 = 1 << 15;

/// Sequence numbers.
const SEQUENCES: u32 = 1 << 16;

/// The index in an identifier.
pub const fn index_of(id: i32) -> u32 {
    id as u32 % INDICES
}

/// The sequence number in an identifier.
pub(crate) const fn sequence_of(id: i32) -> u16 {
    (id as u32 / INDICES) as u16
}

/// Which object a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of an identifier.
    Id(i32),
    /// That at an index (`…_STAT`).
    Index(i32),
    /// The same for everyone (`…_STAT_ANY`).
    IndexForAll(i32),
}

/// Objects by identifier, index and key.
///
/// An identifier whose object is gone names no other one until the sequence
/// numbers have come round.
#[derive(Debug)]
pub struct Table<T> {
    /// By index, with the identifier.
    objects: BTreeMap<u32, (i32, Arc<T>)>,
    /// From key to index.
    keys: BTreeMap<i32, u32>,
    /// Indices that were used before; there is room for all that are in use.
    free: Vec<u32>,
    /// The lowest index that was never used.
    fresh: u32,
    sequence: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Table<T> {
    /// Of no objects.
    pub const fn new() -> Self {
        Table {
            objects: BTreeMap::new(),
            keys: BTreeMap::new(),
            free: Vec::new(),
            fresh: 0,
            sequence: 0,
        }
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The highest index in use; 0 if there is none.
    pub fn highest(&self) -> u32 {
        self.objects.last_key_value().map_or(0, |(&index, _)| index)
    }

    /// Adds an object, which no other has the key of. Its identifier.
    ///
    /// # Errors
    /// `ENOSPC` if there are `most` already, `ENOMEM`.
    pub fn insert(&mut self, key: i32, most: u32, object: Arc<T>) -> Result<i32> {
        if self.len() >= most.min(INDICES) as usize {
            return Err(Errno::ENOSPC);
        }
        // For this one and all in use: removal must not fail.
        let more = self.len() + 1;
        self.free.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        let used_before = self.free.last().copied();
        let index = used_before.unwrap_or(self.fresh);
        let sequence = match used_before {
            Some(_) => (self.sequence + 1) % SEQUENCES,
            None => self.sequence,
        };
        let id = (sequence * INDICES + index) as i32;
        if key != IPC_PRIVATE {
            let before = try_insert(&mut self.keys, key, index)?;
            debug_assert!(before.is_none(), "the key has an object");
        }
        if let Err(error) = try_insert(&mut self.objects, index, (id, object)) {
            self.keys.remove(&key);
            return Err(error);
        }
        match self.free.pop() {
            Some(_) => self.sequence = sequence,
            None => self.fresh += 1,
        }
        Ok(id)
    }

    /// The object of an identifier. `EINVAL`.
    pub fn get(&self, id: i32) -> Result<&Arc<T>> {
        let (real, object) = self.at(index_of(id))?;
        match real == id {
            true => Ok(object),
            false => Err(Errno::EINVAL),
        }
    }

    /// The object at an index, with its identifier. `EINVAL`.
    fn at(&self, index: u32) -> Result<(i32, &Arc<T>)> {
        let found = self.objects.get(&index).ok_or(Errno::EINVAL)?;
        Ok((found.0, &found.1))
    }

    /// The object that is meant, with its identifier. `EINVAL`.
    pub fn find(&self, which: Which) -> Result<(i32, &Arc<T>)> {
        match which {
            Which::Id(id) => Ok((id, self.get(id)?)),
            Which::Index(index) | Which::IndexForAll(index) => {
                self.at(u32::try_from(index).map_err(|_| Errno::EINVAL)?)
            }
        }
    }

    /// The object of a key, with its identifier.
    pub fn by_key(&self, key: i32) -> Option<(i32, &Arc<T>)> {
        self.at(*self.keys.get(&key)?).ok()
    }

    /// The first object at `index` or above, with its identifier.
    pub fn from(&self, index: u32) -> Option<(i32, &Arc<T>)> {
        let (_, (id, object)) = self.objects.range(index..).next()?;
        Some((*id, object))
    }

    /// Nothing has the key from now on.
    pub fn forget_key(&mut self, key: i32) {
        self.keys.remove(&key);
    }

    /// Removes an object, whose key was `key`: for the caller to drop, outside
    /// all locks.
    pub fn remove(&mut self, id: i32, key: i32) -> Option<Arc<T>> {
        self.get(id).ok()?;
        let index = index_of(id);
        let (_, object) = self.objects.remove(&index)?;
        if self.keys.get(&key) == Some(&index) {
            self.keys.remove(&key);
        }
        debug_assert!(self.free.len() < self.free.capacity());
        self.free.push(index);
        Some(object)
    }
}

/// shmget(2) and its like: the identifier of the key's object, which `check`
/// agrees to, or of a new one.
///
/// # Errors
/// `ENOENT`, `EEXIST`; those of `check`, `make` and `add`.
pub fn get<T>(
    table: &SpinLock<Table<T>, PreemptOff>,
    (key, flags): (i32, u32),
    check: impl Fn(&T) -> Result<()>,
    make: impl FnOnce() -> Result<Arc<T>>,
    add: impl FnOnce(&mut Table<T>, Arc<T>) -> Result<i32>,
) -> Result<i32> {
    let known = |table: &Table<T>| {
        let (id, object) = table.by_key(key).filter(|_| key != IPC_PRIVATE)?;
        Some(
            match flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL {
                true => Err(Errno::EEXIST),
                false => check(object).map(|()| id),
            },
        )
    };
    if let Some(result) = known(&table.lock()) {
        return result;
    }
    if key != IPC_PRIVATE && flags & IPC_CREAT == 0 {
        return Err(Errno::ENOENT);
    }
    // Made outside the lock. Another one may come first meanwhile.
    let made = make()?;
    let spare = made.clone();
    let mut table = table.lock();
    let result = match known(&table) {
        Some(result) => result,
        None => add(&mut table, made),
    };
    drop(table);
    drop(spare);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list: every live object is found by its identifier, key
        /// and index, and no identifier that has gone finds anything.
        #[test]
        fn like_a_list(steps in prop::collection::vec((0u8..3, 0i32..5, any::<prop::sample::Index>()), 0..200)) {
            let mut table = Table::new();
            let mut model: Vec<(i32, i32, u32)> = Vec::new();
            let mut gone = Vec::new();
            for (number, (what, key, which)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => {
                        if key != 0 && model.iter().any(|known| known.1 == key) {
                            continue;
                        }
                        let result = table.insert(key, 6, Arc::new(number as u32));
                        prop_assert_eq!(result.is_err(), model.len() >= 6);
                        if let Ok(id) = result {
                            prop_assert!(!gone.contains(&id));
                            model.push((id, key, number as u32));
                        }
                    }
                    _ if !model.is_empty() => {
                        let (id, key, value) = model.swap_remove(which.index(model.len()));
                        let removed = table.remove(id, key);
                        prop_assert_eq!(removed.as_deref(), Some(&value));
                        prop_assert!(table.remove(id, key).is_none());
                        gone.push(id);
                    }
                    _ => {}
                }
                prop_assert_eq!(table.len(), model.len());
                for &(id, key, value) in &model {
                    prop_assert_eq!(**table.get(id).unwrap(), value);
                    let index = index_of(id);
                    prop_assert_eq!(table.find(Which::Index(index as i32)).unwrap().0, id);
                    prop_assert!(index <= table.highest());
                    if key != 0 {
                        prop_assert_eq!(table.by_key(key).map(|found| found.0), Some(id));
                    }
                }
                for &id in &gone {
                    prop_assert!(table.get(id).is_err());
                }
                let mut seen = 0;
                let mut index = 0;
                while let Some((id, _)) = table.from(index) {
                    index = index_of(id) + 1;
                    seen += 1;
                }
                prop_assert_eq!(seen, model.len());
            }
        }
    }

    #[test]
    fn identifiers_never_become_negative() {
        let mut table = Table::new();
        for _ in 0..2 * SEQUENCES {
            let id = table.insert(0, 1, Arc::new(())).unwrap();
            assert!(id >= 0);
            table.remove(id, 0).unwrap();
        }
    }
}
