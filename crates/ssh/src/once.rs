//! Things that are said once.

/// Remembers the last `N` things that were said, by a number for each.
#[derive(Debug)]
pub struct Once<const N: usize> {
    said: [u64; N],
    next: usize,
}

impl<const N: usize> Default for Once<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Once<N> {
    /// Nothing has been said.
    pub const fn new() -> Self {
        Self {
            said: [0; N],
            next: 0,
        }
    }

    /// Whether this has not been said yet. From now on it has.
    pub fn is_new(&mut self, parts: &[&[u8]]) -> bool {
        let number = digest(parts);
        if self.said.contains(&number) {
            return false;
        }
        self.said[self.next] = number;
        self.next = (self.next + 1) % N;
        true
    }
}

/// FNV-1a over all parts with their lengths; never 0.
fn digest(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    for part in parts {
        part.len().to_le_bytes().into_iter().for_each(&mut take);
        part.iter().copied().for_each(&mut take);
    }
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered() {
        let mut once = Once::<2>::new();
        assert!(once.is_new(&[b"a", b"b"]));
        assert!(!once.is_new(&[b"a", b"b"]));
        assert!(once.is_new(&[b"ab"]));
        assert!(!once.is_new(&[b"a", b"b"]));
        assert!(once.is_new(&[]));
        assert!(once.is_new(&[b"a", b"b"]));
    }
}
