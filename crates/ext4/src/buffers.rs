//! How the buffers of metadata are found.

use core::hash::{BuildHasher, Hasher};
use hashbrown::{HashMap, HashSet};

/// From the number of a block, or of an inode, to what is kept of it.
pub(crate) type BlockMap<T> = HashMap<u64, T, BlockHasher>;
/// Numbers of blocks.
pub(crate) type BlockSet = HashSet<u64, BlockHasher>;

/// Spreads the numbers of blocks over a table. Whoever makes an image can choose numbers
/// that collide, which costs time alone, and no more than there are blocks in memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct BlockHasher;

/// One number's.
pub(crate) struct BlockHash(u64);

impl BuildHasher for BlockHasher {
    type Hasher = BlockHash;

    #[inline]
    fn build_hasher(&self) -> BlockHash {
        BlockHash(0)
    }
}

impl Hasher for BlockHash {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        let product = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The table takes its lowest and its highest bits.
        self.0 = product ^ product >> 32;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
