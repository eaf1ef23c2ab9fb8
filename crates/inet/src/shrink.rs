//! Tables that give back what a crowd has needed.

use core::hash::{BuildHasher, Hash};
use hashbrown::HashMap;

/// The largest capacity that is kept in any case.
const SMALL: usize = 64;

/// Makes a table smaller if most of it is empty, after something was removed.
/// Without memory for a smaller one it stays as it is.
pub fn shrink<K: Eq + Hash, V, S: BuildHasher + Clone>(table: &mut HashMap<K, V, S>) {
    if table.capacity() <= SMALL || table.len() > table.capacity() / 8 {
        return;
    }
    let mut smaller = HashMap::with_hasher(table.hasher().clone());
    if smaller.try_reserve(2 * table.len()).is_ok() {
        smaller.extend(table.drain());
        *table = smaller;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    #[test]
    fn a_crowd_leaves_no_room_behind() {
        let mut table = HashMap::with_hasher(Keys::new(|| 5).hasher());
        for number in 0..10_000 {
            table.insert(number, ());
        }
        for number in 0..9_990 {
            table.remove(&number);
            shrink(&mut table);
        }
        assert_eq!(table.len(), 10);
        assert!(table.capacity() <= 2 * SMALL, "{}", table.capacity());
        assert!((9_990..10_000).all(|number| table.contains_key(&number)));
    }
}
