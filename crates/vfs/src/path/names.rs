//! [`NameMap`]: from a name in a directory to what is known of it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// A name's hash, which depends on `seed`. Names of one hash are told apart by their
/// bytes; who does not know the seed cannot prepare many such.
pub(super) fn hash(seed: u64, name: &[u8]) -> u64 {
    // Names of different lengths differ in more than the bits of their first bytes.
    let mut hash = (seed ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, _) = name.as_chunks::<8>();
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word));
    }
    // The last eight bytes, some of them for the second time; or what there is.
    if let Some(last) = name.last_chunk::<8>() {
        return mix(hash ^ u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return mix(hash ^ u64::from(first) ^ u64::from(last) << 32);
    }
    let bytes = name
        .iter()
        .fold(0, |bytes, &byte| bytes << 8 | u64::from(byte));
    mix(hash ^ bytes << 8)
}

/// Whether two names are the same, compared eight bytes at a time.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(last_a), Some(last_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        let (words_a, _) = a.as_chunks::<8>();
        let (words_b, _) = b.as_chunks::<8>();
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let mut words = words_a.iter().zip(words_b);
        return words.all(|(a, b)| word(a) == word(b)) && word(last_a) == word(last_b);
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Both halves of a product: each bit of the result depends on all of `value`.
fn mix(value: u64) -> u64 {
    let product = u128::from(value ^ 0x2d35_8dcc_aa6c_78a5) * 0x8bb8_4b93_962e_acc9;
    product as u64 ^ (product >> 64) as u64
}

/// A name, and what else has its hash.
struct Entry<T> {
    name: Box<[u8]>,
    value: T,
    next: Chain<T>,
}

/// Names of one hash.
struct Chain<T>(Option<Box<Entry<T>>>);

impl<T> Drop for Chain<T> {
    /// One after the other: there may be more than the stack has room for.
    fn drop(&mut self) {
        let mut at = self.0.take();
        while let Some(mut entry) = at {
            at = entry.next.0.take();
        }
    }
}

/// A map from names, which are looked up by their hashes.
pub(super) struct NameMap<T>(BTreeMap<u64, Entry<T>>);

impl<T> Default for NameMap<T> {
    fn default() -> Self {
        NameMap(BTreeMap::new())
    }
}

impl<T> NameMap<T> {
    /// What is known of the name, whose hash is `hash`. Allocates nothing.
    pub fn get(&self, hash: u64, name: &[u8]) -> Option<&T> {
        let mut at = self.0.get(&hash);
        while let Some(entry) = at {
            if is_same(&entry.name, name) {
                return Some(&entry.value);
            }
            at = entry.next.0.as_deref();
        }
        None
    }

    /// How many hashes of names there are.
    #[cfg(test)]
    pub fn hashes(&self) -> usize {
        self.0.len()
    }

    /// Sets it; what was known before.
    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    pub fn insert(&mut self, hash: u64, name: Box<[u8]>, value: T) -> Option<T> {
        let before = self.remove(hash, &name);
        let mut entry = Entry {
            name,
            value,
            next: Chain(None),
        };
        if let Some(others) = self.0.remove(&hash) {
            entry.next = Chain(Some(Box::new(others)));
        }
        self.0.insert(hash, entry);
        before
    }

    /// Forgets it; what was known.
    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    pub fn remove(&mut self, hash: u64, name: &[u8]) -> Option<T> {
        let first = self.0.get_mut(&hash)?;
        if *first.name == *name {
            let mut first = self.0.remove(&hash)?;
            if let Some(others) = first.next.0.take() {
                self.0.insert(hash, *others);
            }
            return Some(first.value);
        }
        let mut link = &mut first.next;
        while link.0.as_ref().is_some_and(|entry| *entry.name != *name) {
            link = &mut link.0.as_mut()?.next;
        }
        let found = *link.0.take()?;
        *link = found.next;
        Some(found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap as Model, HashSet};

    #[test]
    fn names_have_hashes_of_their_own() {
        let mut seen = HashSet::new();
        for number in 0..100_000_u32 {
            for name in [format!("{number}"), format!("a-longer-name-{number}.txt")] {
                assert!(seen.insert(hash(7, name.as_bytes())), "{name}");
            }
        }
        for len in 1..=255 {
            assert!(seen.insert(hash(7, &vec![0; len])), "zeroes: {len}");
        }
    }

    #[test]
    fn very_many_names_of_one_hash_go_without_much_stack() {
        let mut chain = Chain(None);
        for number in 0..1_000_000_u32 {
            let name = number.to_le_bytes().to_vec().into_boxed_slice();
            let next = std::mem::replace(&mut chain, Chain(None));
            chain = Chain(Some(Box::new(Entry {
                name,
                value: (),
                next,
            })));
        }
        drop(chain);
    }

    proptest! {
        #[test]
        fn names_are_compared_to_the_last_byte(
            a in proptest::collection::vec(0..2_u8, 0..20),
            b in proptest::collection::vec(0..2_u8, 0..20),
            at in 0..20_usize,
        ) {
            prop_assert_eq!(is_same(&a, &b), a == b);
            prop_assert!(is_same(&a, &a.clone()));
            let mut other = a.clone();
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 1;
                prop_assert!(!is_same(&a, &other));
            }
        }

        /// Few hashes for many names: most share theirs.
        #[test]
        fn behaves_as_a_map(
            steps in proptest::collection::vec((0..3, "[a-d]{1,2}", any::<u32>()), 1..300),
        ) {
            let mut map = NameMap::default();
            let mut model = Model::new();
            for (what, name, value) in steps {
                let name = name.into_bytes();
                let hash = u64::from(name[0] % 3);
                match what {
                    0 => prop_assert_eq!(map.get(hash, &name), model.get(&name)),
                    1 => {
                        let before = map.insert(hash, name.clone().into(), value);
                        prop_assert_eq!(before, model.insert(name, value));
                    }
                    _ => prop_assert_eq!(map.remove(hash, &name), model.remove(&name)),
                }
            }
            for (name, value) in &model {
                prop_assert_eq!(map.get(u64::from(name[0] % 3), name), Some(value));
            }
        }
    }
}
