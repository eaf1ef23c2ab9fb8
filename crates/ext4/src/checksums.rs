//! Checksums of metadata (Linux, Documentation/filesystems/ext4,
//! "Checksums"): CRC-32C without the last inversion, from a seed of the
//! filesystem's or of an inode's own. Buffers say which kind they need, and
//! are sealed as their transaction commits.

use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::dir::{TAIL_LEN, is_tail};
use crate::layout::{
    DESC_CHECKSUM, Geometry, GroupChecksums, INCOMPAT_RECOVER, SB_INCOMPAT, SUPERBLOCK_SIZE,
};
use crate::raw_inode::{RawInode, SMALL, generation_in};
use crc::{Algorithm, CRC_16_MODBUS, Crc, Table};

const CRC32C: Algorithm<u32> = Algorithm {
    width: 32,
    poly: 0x1edc_6f41,
    init: 0xffff_ffff,
    refin: true,
    refout: true,
    xorout: 0,
    check: 0x1cf9_6d7c,
    residue: 0,
};
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC32C);
static CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);

/// Where the superblock's own checksum is.
const SB_CHECKSUM: usize = 1020;
/// Where an inode has the halves of its checksum.
const INODE_LOW: usize = 124;
const INODE_HIGH: usize = 130;
/// Where a block of extended attributes has its checksum.
const ATTRIBUTES_CHECKSUM: usize = 16;

/// What kind of checksum a block of metadata has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seal {
    /// None.
    #[default]
    None,
    /// Each inode has its own; the first one of the block has this number.
    Inodes(u32),
    Superblock,
    Descriptors,
    /// Its checksum is in the group's descriptor.
    BlockBitmap(u32),
    InodeBitmap(u32),
    /// Of this inode.
    Extents(Owner),
    Directory(Owner),
    /// The table begins at this offset.
    Index(Owner, usize),
    Attributes,
    /// A block of the file of orphans, which is this inode.
    Orphans(Owner),
}

/// The inode whose metadata a block is, as far as checksums tell it from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub ino: u32,
    pub generation: u32,
}

/// Goes on with a checksum. The start is all ones.
pub(crate) fn crc32c(from: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC.digest_with_initial(from.reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

impl Geometry {
    /// The seed of an inode's metadata.
    fn seed(&self, owner: Owner) -> u32 {
        let seed = crc32c(self.checksum_seed, &owner.ino.to_le_bytes());
        crc32c(seed, &owner.generation.to_le_bytes())
    }

    /// Puts a block's checksum in, if it is one that has it inside.
    pub fn seal(&self, seal: Seal, block: u64, data: &mut [u8]) {
        if seal == Seal::Descriptors {
            return self.seal_descriptors(block, data);
        }
        if !self.checksums {
            return;
        }
        match seal {
            Seal::Superblock => {
                let at = self.superblock_place().1;
                let sb = &mut data[at..at + SUPERBLOCK_SIZE];
                put_u32(sb, SB_CHECKSUM, crc32c(!0, &sb[..SB_CHECKSUM]));
            }
            Seal::Extents(owner) => {
                let end = 12 + usize::from(get_u16(data, 4)) * 12;
                if let Some(covered) = data.get(..end) {
                    put_u32(data, end, crc32c(self.seed(owner), covered));
                }
            }
            Seal::Directory(owner) => {
                let end = data.len() - TAIL_LEN;
                if is_tail(&data[end..]) {
                    put_u32(data, end + 8, crc32c(self.seed(owner), &data[..end]));
                }
            }
            Seal::Index(owner, table) => seal_index(data, self.seed(owner), table),
            Seal::Attributes => {
                let seed = crc32c(self.checksum_seed, &block.to_le_bytes());
                put_u32(data, ATTRIBUTES_CHECKSUM, 0);
                put_u32(data, ATTRIBUTES_CHECKSUM, crc32c(seed, data));
            }
            Seal::Orphans(owner) => {
                let end = data.len() - 8;
                let sum = crc32c(crc32c(self.seed(owner), &block.to_le_bytes()), &data[..end]);
                put_u32(data, end + 4, sum);
            }
            Seal::None
            | Seal::Inodes(_)
            | Seal::Descriptors
            | Seal::BlockBitmap(_)
            | Seal::InodeBitmap(_) => {}
        }
    }

    /// Puts the checksums into inodes of a table's block, the first one of which is
    /// `first`: into those that have a bit in `parts`.
    pub fn seal_inodes(&self, first: u32, parts: u64, data: &mut [u8]) {
        if !self.checksums {
            return;
        }
        for (part, bytes) in data.chunks_exact_mut(self.inode_size).enumerate() {
            if parts >> part & 1 != 0 {
                let ino = first + part as u32;
                let generation = generation_in(bytes);
                seal_inode(self.seed(Owner { ino, generation }), bytes);
            }
        }
    }

    /// Whether a block, as it came from the disk, has the checksum that
    /// [`seal`](Self::seal) would give it. Those of bitmaps are not inside, and the
    /// superblock is looked at when it is mounted.
    pub fn is_sound(&self, seal: Seal, block: u64, data: &[u8]) -> bool {
        let len = data.len();
        match seal {
            Seal::Descriptors => self.are_descriptors_sound(block, data),
            _ if !self.checksums => true,
            Seal::Extents(owner) => {
                let end = 12 + usize::from(get_u16(data, 4)) * 12;
                let covered = data.get(..end).filter(|_| end + 4 <= len);
                let sum = |bytes| crc32c(self.seed(owner), bytes);
                covered.is_some_and(|bytes| get_u32(data, end) == sum(bytes))
            }
            Seal::Directory(owner) => {
                let (entries, tail) = data.split_at(len - TAIL_LEN);
                is_tail(tail) && get_u32(tail, 8) == crc32c(self.seed(owner), entries)
            }
            Seal::Index(owner, table) => index_sum(data, self.seed(owner), table)
                .is_some_and(|(at, sum)| get_u32(data, at) == sum),
            Seal::Attributes => {
                let seed = crc32c(self.checksum_seed, &block.to_le_bytes());
                let (before, after) = data.split_at(ATTRIBUTES_CHECKSUM);
                let sum = crc32c(crc32c(crc32c(seed, before), &[0; 4]), &after[4..]);
                get_u32(after, 0) == sum
            }
            Seal::Orphans(owner) => {
                let sum = crc32c(
                    crc32c(self.seed(owner), &block.to_le_bytes()),
                    &data[..len - 8],
                );
                get_u32(data, len - 4) == sum
            }
            Seal::None
            | Seal::Inodes(_)
            | Seal::Superblock
            | Seal::BlockBitmap(_)
            | Seal::InodeBitmap(_) => true,
        }
    }

    /// Whether the superblock has its checksum, if it should have one.
    pub fn is_superblock_sound(&self, sb: &[u8]) -> bool {
        !self.checksums || get_u32(sb, SB_CHECKSUM) == crc32c(!0, &sb[..SB_CHECKSUM])
    }

    /// As [`is_superblock_sound`](Self::is_superblock_sound), or it would be with the flag
    /// that tells of a log in use turned over: the power may have gone while that was
    /// written, which is in another sector than the checksum.
    pub fn is_superblock_sound_or_torn(&self, sb: &[u8]) -> bool {
        let (before, after) = (&sb[..SB_INCOMPAT], &sb[SB_INCOMPAT + 4..SB_CHECKSUM]);
        let flags = get_u32(sb, SB_INCOMPAT) ^ INCOMPAT_RECOVER;
        let sum = crc32c(crc32c(!0, before), &flags.to_le_bytes());
        self.is_superblock_sound(sb) || get_u32(sb, SB_CHECKSUM) == crc32c(sum, after)
    }

    fn are_descriptors_sound(&self, block: u64, data: &[u8]) -> bool {
        let first = self.first_descriptor(block);
        let sound = |(index, desc): (usize, &[u8])| {
            let group = first + index as u32;
            let sum = self.descriptor_checksum(group, desc);
            group >= self.groups || sum.is_none_or(|sum| get_u16(desc, DESC_CHECKSUM) == sum)
        };
        data.chunks_exact(self.desc_size).enumerate().all(sound)
    }

    /// The group of the first descriptor in a block of them.
    fn first_descriptor(&self, block: u64) -> u32 {
        let per_block = self.block_size / self.desc_size;
        ((block - self.superblock_place().0 - 1) as usize * per_block) as u32
    }

    /// The checksum of a bitmap of `bits` bits.
    pub fn bitmap_checksum(&self, data: &[u8], bits: u32) -> u32 {
        let bytes = (bits as usize / 8).min(data.len());
        crc32c(self.checksum_seed, &data[..bytes])
    }

    fn seal_descriptors(&self, block: u64, data: &mut [u8]) {
        let first = self.first_descriptor(block);
        for (index, desc) in data.chunks_exact_mut(self.desc_size).enumerate() {
            let group = first + index as u32;
            if group >= self.groups {
                return;
            }
            if let Some(sum) = self.descriptor_checksum(group, desc) {
                put_u16(desc, DESC_CHECKSUM, sum);
            }
        }
    }

    fn descriptor_checksum(&self, group: u32, desc: &[u8]) -> Option<u16> {
        let (before, after) = (&desc[..DESC_CHECKSUM], &desc[DESC_CHECKSUM + 2..]);
        match self.group_checksums {
            GroupChecksums::None => None,
            GroupChecksums::Crc16 => {
                let mut digest = CRC16.digest();
                digest.update(&self.uuid);
                digest.update(&group.to_le_bytes());
                digest.update(before);
                digest.update(after);
                Some(digest.finalize())
            }
            GroupChecksums::Crc32c => {
                let sum = crc32c(self.checksum_seed, &group.to_le_bytes());
                let sum = crc32c(crc32c(sum, before), &[0, 0]);
                Some(crc32c(sum, after) as u16)
            }
        }
    }

    /// Whether an inode, as it lies on the disk, has its checksum.
    pub fn is_inode_sound(&self, raw: &RawInode, bytes: &[u8]) -> bool {
        let sum = crc32c(self.seed(raw.owner()), &bytes[..INODE_LOW]);
        let sum = crc32c(sum, &[0; 2]);
        let low = get_u16(bytes, INODE_LOW);
        if !has_high_checksum(bytes) {
            return crc32c(sum, &bytes[INODE_LOW + 2..]) as u16 == low;
        }
        let sum = crc32c(sum, &bytes[INODE_LOW + 2..INODE_HIGH]);
        let sum = crc32c(crc32c(sum, &[0; 2]), &bytes[INODE_HIGH + 2..]);
        sum == u32::from(low) | u32::from(get_u16(bytes, INODE_HIGH)) << 16
    }
}

/// Puts the checksum into an inode as it lies on the disk, which has this seed.
fn seal_inode(seed: u32, bytes: &mut [u8]) {
    let has_high = has_high_checksum(bytes);
    put_u16(bytes, INODE_LOW, 0);
    if has_high {
        put_u16(bytes, INODE_HIGH, 0);
    }
    let sum = crc32c(seed, bytes);
    put_u16(bytes, INODE_LOW, sum as u16);
    if has_high {
        put_u16(bytes, INODE_HIGH, (sum >> 16) as u16);
    }
}

/// Whether an inode has room for the upper half of its checksum.
fn has_high_checksum(bytes: &[u8]) -> bool {
    bytes.len() > SMALL && usize::from(get_u16(bytes, SMALL)) >= INODE_HIGH + 2 - SMALL
}

/// The checksum of a table, and where it belongs: it covers the entries there are, and is
/// behind those that there could be. `None` if the table makes no sense.
fn index_sum(data: &[u8], seed: u32, table: usize) -> Option<(usize, u32)> {
    let limit = usize::from(get_u16(data, table));
    let count = usize::from(get_u16(data, table + 2));
    let tail = table + limit * 8;
    if tail + 8 > data.len() || count > limit {
        return None;
    }
    let sum = crc32c(seed, &data[..table + count * 8]);
    let sum = crc32c(sum, &get_u32(data, tail).to_le_bytes());
    Some((tail + 4, crc32c(sum, &[0; 4])))
}

fn seal_index(data: &mut [u8], seed: u32, table: usize) {
    if let Some((at, sum)) = index_sum(data, seed, table) {
        put_u32(data, at, sum);
    }
}
