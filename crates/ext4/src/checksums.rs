//! Checksums of metadata (Linux, Documentation/filesystems/ext4,
//! "Checksums"): CRC-32C without the last inversion, from a seed of the
//! filesystem's or of an inode's own. Buffers say which kind they need, and
//! are sealed as their transaction commits.

use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::dir::{TAIL_LEN, is_tail};
use crate::layout::{DESC_CHECKSUM, Geometry, GroupChecksums, SUPERBLOCK_SIZE};
use crate::raw_inode::{RawInode, SMALL};
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
    /// None of the whole block: inodes have their own.
    #[default]
    None,
    Superblock,
    Descriptors,
    /// Its checksum is in the group's descriptor.
    BlockBitmap(u32),
    InodeBitmap(u32),
    /// Of an inode with this seed.
    Extents(u32),
    Directory(u32),
    /// The table begins at this offset.
    Index(u32, usize),
    Attributes,
    /// A block of the file of orphans, whose inode has this seed.
    Orphans(u32),
}

/// Goes on with a checksum. The start is all ones.
pub(crate) fn crc32c(from: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC.digest_with_initial(from.reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

impl Geometry {
    /// The seed of an inode's metadata.
    pub fn inode_seed(&self, raw: &RawInode) -> u32 {
        match self.checksums {
            true => {
                let seed = crc32c(self.checksum_seed, &raw.ino.to_le_bytes());
                crc32c(seed, &raw.generation().to_le_bytes())
            }
            false => 0,
        }
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
            Seal::Extents(seed) => {
                let end = 12 + usize::from(get_u16(data, 4)) * 12;
                if let Some(covered) = data.get(..end) {
                    put_u32(data, end, crc32c(seed, covered));
                }
            }
            Seal::Directory(seed) => {
                let end = data.len() - TAIL_LEN;
                if is_tail(&data[end..]) {
                    put_u32(data, end + 8, crc32c(seed, &data[..end]));
                }
            }
            Seal::Index(seed, table) => seal_index(data, seed, table),
            Seal::Attributes => {
                let seed = crc32c(self.checksum_seed, &block.to_le_bytes());
                put_u32(data, ATTRIBUTES_CHECKSUM, 0);
                put_u32(data, ATTRIBUTES_CHECKSUM, crc32c(seed, data));
            }
            Seal::Orphans(seed) => {
                let end = data.len() - 8;
                let sum = crc32c(crc32c(seed, &block.to_le_bytes()), &data[..end]);
                put_u32(data, end + 4, sum);
            }
            Seal::None | Seal::Descriptors | Seal::BlockBitmap(_) | Seal::InodeBitmap(_) => {}
        }
    }

    /// The checksum of a bitmap of `bits` bits.
    pub fn bitmap_checksum(&self, data: &[u8], bits: u32) -> u32 {
        let bytes = (bits as usize / 8).min(data.len());
        crc32c(self.checksum_seed, &data[..bytes])
    }

    fn seal_descriptors(&self, block: u64, data: &mut [u8]) {
        let per_block = self.block_size / self.desc_size;
        let first = (block - self.superblock_place().0 - 1) as usize * per_block;
        for (index, desc) in data.chunks_exact_mut(self.desc_size).enumerate() {
            let group = (first + index) as u32;
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

    /// Puts the checksum into an inode as it lies on the disk.
    pub fn seal_inode(&self, raw: &RawInode, bytes: &mut [u8]) {
        if !self.checksums {
            return;
        }
        let extra = if bytes.len() > SMALL {
            usize::from(get_u16(bytes, SMALL))
        } else {
            0
        };
        let has_high = extra >= INODE_HIGH + 2 - SMALL;
        put_u16(bytes, INODE_LOW, 0);
        if has_high {
            put_u16(bytes, INODE_HIGH, 0);
        }
        let sum = crc32c(self.inode_seed(raw), bytes);
        put_u16(bytes, INODE_LOW, sum as u16);
        if has_high {
            put_u16(bytes, INODE_HIGH, (sum >> 16) as u16);
        }
    }
}

/// The checksum of a table covers the entries there are, and is behind those
/// that there could be.
fn seal_index(data: &mut [u8], seed: u32, table: usize) {
    let limit = usize::from(get_u16(data, table));
    let count = usize::from(get_u16(data, table + 2));
    let tail = table + limit * 8;
    if tail + 8 > data.len() || count > limit {
        return;
    }
    let sum = crc32c(seed, &data[..table + count * 8]);
    let sum = crc32c(sum, &get_u32(data, tail).to_le_bytes());
    put_u32(data, tail + 4, crc32c(sum, &[0; 4]));
}
