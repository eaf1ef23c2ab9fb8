//! The hashes of names that order a hashed directory (Linux, fs/ext4/hash.c,
//! and Documentation/filesystems/ext4, "Hash Tree Directories").

use crate::layout::Geometry;
use paddock_vfs::{Errno, Result};

/// The highest major hash, in units of 2, is the end of a directory.
const END: u32 = 0x7fff_ffff;

/// Where a listing of a hashed directory goes on once everything was listed.
pub const CURSOR_END: u64 = (END as u64) << 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Legacy,
    HalfMd4,
    Tea,
}

/// How the names of a directory are hashed.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    algorithm: Algorithm,
    /// Bytes of names count as 0 to 255, not as -128 to 127.
    unsigned: bool,
    seed: [u32; 4],
}

/// The hash of a name: the index goes by `major`, whose lowest bit is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameHash {
    pub major: u32,
    pub minor: u32,
}

impl NameHash {
    /// The place of the name in a listing; fits into 63 bits.
    pub fn cursor(self) -> u64 {
        u64::from(self.major >> 1) << 32 | u64::from(self.minor)
    }
}

/// The major hash at which a listing from `cursor` on begins.
pub fn major_of(cursor: u64) -> u32 {
    ((cursor >> 32) as u32) << 1
}

impl Hasher {
    /// The hasher of a directory whose root names `version`. `EUCLEAN` for
    /// one that is not known.
    pub fn new(geometry: &Geometry, version: u8) -> Result<Hasher> {
        let algorithm = match version {
            0 | 3 => Algorithm::Legacy,
            1 | 4 => Algorithm::HalfMd4,
            2 | 5 => Algorithm::Tea,
            _ => return Err(Errno::EUCLEAN),
        };
        Ok(Hasher {
            algorithm,
            unsigned: version > 2 || geometry.hash_unsigned,
            seed: geometry.hash_seed,
        })
    }

    pub fn hash(&self, name: &[u8]) -> NameHash {
        let (major, minor) = match self.algorithm {
            // It has no minor hash of its own: another one orders equal names.
            Algorithm::Legacy => (self.legacy(name), self.tea(name).1),
            Algorithm::HalfMd4 => self.half_md4(name),
            Algorithm::Tea => self.tea(name),
        };
        let major = match major & !1 {
            last if last == END << 1 => (END - 1) << 1,
            major => major,
        };
        NameHash { major, minor }
    }

    fn value(&self, byte: u8) -> u32 {
        match self.unsigned {
            true => u32::from(byte),
            false => i32::from(byte.cast_signed()).cast_unsigned(),
        }
    }

    fn start(&self) -> [u32; 4] {
        match self.seed {
            [0, 0, 0, 0] => [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            seed => seed,
        }
    }

    fn legacy(&self, name: &[u8]) -> u32 {
        let (mut hash, mut before) = (0x12a3_fe2d_u32, 0x37ab_e8f9_u32);
        for &byte in name {
            let mixed = hash ^ self.value(byte).wrapping_mul(7_152_373);
            let mut next = before.wrapping_add(mixed);
            if next & 0x8000_0000 != 0 {
                next = next.wrapping_sub(0x7fff_ffff);
            }
            (before, hash) = (hash, next);
        }
        hash << 1
    }

    fn half_md4(&self, name: &[u8]) -> (u32, u32) {
        let mut state = self.start();
        let mut rest = name;
        while !rest.is_empty() {
            half_md4_round(&mut state, &self.words::<8>(rest));
            rest = rest.get(32..).unwrap_or_default();
        }
        (state[1], state[2])
    }

    fn tea(&self, name: &[u8]) -> (u32, u32) {
        let mut state = self.start();
        let mut rest = name;
        while !rest.is_empty() {
            tea_round(&mut state, &self.words::<4>(rest));
            rest = rest.get(16..).unwrap_or_default();
        }
        (state[0], state[1])
    }

    /// The next bytes as numbers, filled up with the length of all that is
    /// left.
    fn words<const N: usize>(&self, rest: &[u8]) -> [u32; N] {
        let len = rest.len() as u32;
        let pad = len | len << 8;
        let pad = pad | pad << 16;
        let mut words = [pad; N];
        let chunks = rest[..rest.len().min(N * 4)].chunks(4);
        for (word, chunk) in words.iter_mut().zip(chunks) {
            for &byte in chunk {
                *word = self.value(byte).wrapping_add(*word << 8);
            }
        }
        words
    }
}

fn tea_round(state: &mut [u32; 4], input: &[u32; 4]) {
    const DELTA: u32 = 0x9e37_79b9;
    let [a, b, c, d] = *input;
    let [mut x, mut y, ..] = *state;
    let mut sum = 0_u32;
    for _ in 0..16 {
        sum = sum.wrapping_add(DELTA);
        let mix = |value: u32, first: u32, second: u32| {
            (value << 4).wrapping_add(first)
                ^ value.wrapping_add(sum)
                ^ (value >> 5).wrapping_add(second)
        };
        x = x.wrapping_add(mix(y, a, b));
        y = y.wrapping_add(mix(x, c, d));
    }
    state[0] = state[0].wrapping_add(x);
    state[1] = state[1].wrapping_add(y);
}

fn half_md4_round(state: &mut [u32; 4], input: &[u32; 8]) {
    let mixed = half_md4_steps(
        |x, y, z| z ^ (x & (y ^ z)),
        0,
        ([0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
        (*state, input),
    );
    let mixed = half_md4_steps(
        |x, y, z| (x & y).wrapping_add((x ^ y) & z),
        0x5a82_7999,
        ([1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
        (mixed, input),
    );
    let mixed = half_md4_steps(
        |x, y, z| x ^ y ^ z,
        0x6ed9_eba1,
        ([3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
        (mixed, input),
    );
    for (word, add) in state.iter_mut().zip(mixed) {
        *word = word.wrapping_add(add);
    }
}

/// A third of a round of half MD4, with its function, its constant, and the order of
/// words and rotations: the state after it. Made for each third by itself, as all of
/// these are known.
#[inline(always)]
fn half_md4_steps(
    function: impl Fn(u32, u32, u32) -> u32,
    constant: u32,
    (order, rotations): ([usize; 8], [u32; 4]),
    ([mut a, mut b, mut c, mut d], input): ([u32; 4], &[u32; 8]),
) -> [u32; 4] {
    for (step, word) in order.into_iter().enumerate() {
        let sum = a
            .wrapping_add(function(b, c, d))
            .wrapping_add(input[word])
            .wrapping_add(constant);
        (a, b, c, d) = (d, sum.rotate_left(rotations[step % 4]), b, c);
    }
    [a, b, c, d]
}
