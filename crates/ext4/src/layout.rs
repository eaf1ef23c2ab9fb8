//! The superblock, and where things are (Linux, Documentation/filesystems/
//! ext4).

use crate::bytes::{get_split, get_u16, get_u32};
use crate::checksums::crc32c;
use crate::dir::TAIL_LEN;
use crate::features::Names;
use paddock_vfs::{Errno, Result};

/// Where the superblock begins, in bytes.
pub const SUPERBLOCK_OFFSET: u64 = 1024;
pub const SUPERBLOCK_SIZE: usize = 1024;
const MAGIC: u16 = 0xef53;

// Offsets in the superblock.
pub const SB_FREE_BLOCKS: usize = 12;
pub const SB_FREE_INODES: usize = 16;
pub const SB_WTIME: usize = 48;
pub const SB_STATE: usize = 58;
const SB_ERRORS: usize = 60;
pub const SB_COMPAT: usize = 92;
pub const SB_INCOMPAT: usize = 96;
pub const SB_RO_COMPAT: usize = 100;
const SB_UUID: usize = 104;
const SB_RESERVED_DESCRIPTORS: usize = 206;
pub const SB_LAST_ORPHAN: usize = 232;
const SB_HASH_SEED: usize = 236;
const SB_HASH_VERSION: usize = 252;
pub const SB_FREE_BLOCKS_HIGH: usize = 344;
const SB_FLAGS: usize = 352;
const SB_BACKUP_GROUPS: usize = 588;
const SB_CHECKSUM_SEED: usize = 624;
const SB_ORPHAN_FILE: usize = 640;

/// Where a group's descriptor has its checksum.
pub const DESC_CHECKSUM: usize = 30;

const FLAGS_UNSIGNED_HASH: u32 = 0x2;
/// The last of the kinds of hash that a superblock may ask for.
const HASH_TEA: u8 = 2;

pub const COMPAT_HAS_JOURNAL: u32 = 0x4;
pub const COMPAT_EXT_ATTR: u32 = 0x8;
const COMPAT_DIR_INDEX: u32 = 0x20;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;
const COMPAT_ORPHAN_FILE: u32 = 0x1000;
pub const INCOMPAT_FILETYPE: u32 = 0x2;
pub const INCOMPAT_RECOVER: u32 = 0x4;
const INCOMPAT_EXTENTS: u32 = 0x40;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_FLEX_BG: u32 = 0x200;
const INCOMPAT_CSUM_SEED: u32 = 0x2000;
const INCOMPAT_LARGEDIR: u32 = 0x4000;
const INCOMPAT_KNOWN: u32 = INCOMPAT_FILETYPE
    | INCOMPAT_RECOVER
    | INCOMPAT_EXTENTS
    | INCOMPAT_64BIT
    | INCOMPAT_FLEX_BG
    | INCOMPAT_CSUM_SEED
    | INCOMPAT_LARGEDIR;

const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
const RO_COMPAT_LARGE_FILE: u32 = 0x2;
const RO_COMPAT_HUGE_FILE: u32 = 0x8;
const RO_COMPAT_GDT_CSUM: u32 = 0x10;
const RO_COMPAT_DIR_NLINK: u32 = 0x20;
const RO_COMPAT_EXTRA_ISIZE: u32 = 0x40;
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;
/// There are inodes in the file of orphans.
pub const RO_COMPAT_ORPHAN_PRESENT: u32 = 0x1_0000;
/// With any other feature it can be read, but not written.
const RO_COMPAT_WRITABLE: u32 = RO_COMPAT_SPARSE_SUPER
    | RO_COMPAT_LARGE_FILE
    | RO_COMPAT_HUGE_FILE
    | RO_COMPAT_DIR_NLINK
    | RO_COMPAT_EXTRA_ISIZE
    | RO_COMPAT_GDT_CSUM
    | RO_COMPAT_METADATA_CSUM
    | RO_COMPAT_ORPHAN_PRESENT;

/// In the superblock's state: nobody writes to it, nor was it left while somebody did. Of
/// one with a journal, that tells.
pub const STATE_CLEAN: u16 = 1;
/// In the superblock's state: errors have been found.
pub const STATE_ERRORS: u16 = 2;

/// What checksums the descriptors of groups have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupChecksums {
    None,
    Crc16,
    Crc32c,
}

/// Which groups hold a copy of the superblock and the descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backups {
    All,
    /// In groups 0, 1, and powers of 3, 5 and 7.
    Sparse,
    /// In group 0 and these two.
    Two([u32; 2]),
}

/// The kinds of filesystems, by the names that mount(2) has for them. Each can be mounted
/// as a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Without a journal.
    Ext2,
    /// With a journal.
    Ext3,
    /// With extents and more, if it has them.
    Ext4,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Ext2 => "ext2",
            Kind::Ext3 => "ext3",
            Kind::Ext4 => "ext4",
        }
    }

    /// Whether a filesystem with this superblock can be mounted as such, as Linux has it.
    pub(crate) fn has(self, geometry: &Geometry) -> bool {
        const RO_COMPAT: u32 = RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE;
        let is_within = |incompat: u32| {
            geometry.incompat & !incompat == 0 && geometry.ro_compat & !RO_COMPAT == 0
        };
        match self {
            Kind::Ext2 => is_within(INCOMPAT_FILETYPE),
            Kind::Ext3 => {
                let has_journal = geometry.journal != JournalPlace::None;
                has_journal && is_within(INCOMPAT_FILETYPE | INCOMPAT_RECOVER)
            }
            Kind::Ext4 => true,
        }
    }
}

/// Where the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalPlace {
    /// There is none, as in ext2: metadata is written to its place.
    None,
    /// In this inode.
    Inode(u32),
    /// On another disk, without which nothing can be written.
    Elsewhere,
}

/// What is to be done when metadata turns out to be bad (`errors=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    Continue,
    ReadOnly,
    Panic,
}

/// What the superblock says and never changes while mounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub block_size: usize,
    pub blocks: u64,
    pub first_data_block: u64,
    pub blocks_per_group: u32,
    pub inodes: u32,
    pub inodes_per_group: u32,
    pub inode_size: usize,
    pub first_inode: u32,
    pub desc_size: usize,
    pub groups: u32,
    pub journal: JournalPlace,
    /// New files have extents.
    pub extents: bool,
    pub incompat: u32,
    pub ro_compat: u32,
    pub on_error: OnError,
    /// It was unmounted after it had been written to.
    pub was_clean: bool,
    /// Errors had been found before.
    pub had_errors: bool,
    /// Every feature is one that can be written.
    pub writable: bool,
    /// Metadata has checksums.
    pub checksums: bool,
    pub checksum_seed: u32,
    pub group_checksums: GroupChecksums,
    pub uuid: [u8; 16],
    pub backups: Backups,
    /// Blocks behind the descriptors that are kept for more of them.
    pub reserved_descriptors: u32,
    /// The inode of the file of orphans, or 0.
    pub orphan_file: u32,
    /// A directory with too many subdirectories has a link count of 1.
    pub dir_nlink: bool,
    /// Features because of which it cannot be written.
    pub unwritable: Names,
    /// Directories may have an index.
    pub dir_index: bool,
    /// Tables that an index may have, one below the other.
    pub index_tables: usize,
    pub hash_version: u8,
    pub hash_seed: [u32; 4],
    /// Names are hashed as unsigned bytes.
    pub hash_unsigned: bool,
}

impl Geometry {
    /// `EINVAL` if it is none of ext4, ext3 and ext2, or one that cannot be read; `EUCLEAN` if
    /// its numbers make no sense.
    pub fn parse(sb: &[u8]) -> Result<Geometry> {
        let incompat = get_u32(sb, SB_INCOMPAT);
        let log_size = get_u32(sb, 24);
        if get_u16(sb, 56) != MAGIC
            || incompat & !INCOMPAT_KNOWN != 0
            || incompat & INCOMPAT_FILETYPE == 0
            || log_size > 2
        {
            return Err(Errno::EINVAL);
        }
        let wide = incompat & INCOMPAT_64BIT != 0;
        let compat = get_u32(sb, SB_COMPAT);
        let journal = match (compat & COMPAT_HAS_JOURNAL != 0, get_u32(sb, 224)) {
            (false, _) => JournalPlace::None,
            (true, 0) => JournalPlace::Elsewhere,
            (true, inode) => JournalPlace::Inode(inode),
        };
        let ro_compat = get_u32(sb, SB_RO_COMPAT);
        let mut geometry = Geometry {
            block_size: 1024 << log_size,
            blocks: match wide {
                true => get_split(sb, 4, 336),
                false => u64::from(get_u32(sb, 4)),
            },
            first_data_block: u64::from(get_u32(sb, 20)),
            blocks_per_group: get_u32(sb, 32),
            inodes: get_u32(sb, 0),
            inodes_per_group: get_u32(sb, 40),
            inode_size: usize::from(get_u16(sb, 88)),
            first_inode: get_u32(sb, 84),
            desc_size: match wide {
                true => usize::from(get_u16(sb, 254)),
                false => 32,
            },
            groups: 0,
            journal,
            extents: incompat & INCOMPAT_EXTENTS != 0,
            incompat,
            ro_compat,
            writable: journal != JournalPlace::Elsewhere && ro_compat & !RO_COMPAT_WRITABLE == 0,
            on_error: match get_u16(sb, SB_ERRORS) {
                2 => OnError::ReadOnly,
                3 => OnError::Panic,
                _ => OnError::Continue,
            },
            was_clean: get_u16(sb, SB_STATE) & STATE_CLEAN != 0,
            had_errors: get_u16(sb, SB_STATE) & STATE_ERRORS != 0,
            checksums: ro_compat & RO_COMPAT_METADATA_CSUM != 0,
            checksum_seed: match incompat & INCOMPAT_CSUM_SEED != 0 {
                true => get_u32(sb, SB_CHECKSUM_SEED),
                false => crc32c(!0, &sb[SB_UUID..SB_UUID + 16]),
            },
            group_checksums: match ro_compat {
                _ if ro_compat & RO_COMPAT_METADATA_CSUM != 0 => GroupChecksums::Crc32c,
                _ if ro_compat & RO_COMPAT_GDT_CSUM != 0 => GroupChecksums::Crc16,
                _ => GroupChecksums::None,
            },
            uuid: core::array::from_fn(|at| sb[SB_UUID + at]),
            backups: match (compat, ro_compat) {
                _ if compat & COMPAT_SPARSE_SUPER2 != 0 => {
                    Backups::Two([0, 4].map(|at| get_u32(sb, SB_BACKUP_GROUPS + at)))
                }
                _ if ro_compat & RO_COMPAT_SPARSE_SUPER != 0 => Backups::Sparse,
                _ => Backups::All,
            },
            reserved_descriptors: u32::from(get_u16(sb, SB_RESERVED_DESCRIPTORS)),
            orphan_file: match compat & COMPAT_ORPHAN_FILE != 0 {
                true => get_u32(sb, SB_ORPHAN_FILE),
                false => 0,
            },
            dir_nlink: ro_compat & RO_COMPAT_DIR_NLINK != 0,
            unwritable: Names {
                incompat: 0,
                ro_compat: ro_compat & !RO_COMPAT_WRITABLE,
            },
            dir_index: compat & COMPAT_DIR_INDEX != 0 && sb[SB_HASH_VERSION] <= HASH_TEA,
            index_tables: if incompat & INCOMPAT_LARGEDIR != 0 {
                3
            } else {
                2
            },
            hash_version: sb[SB_HASH_VERSION],
            hash_seed: [0, 4, 8, 12].map(|at| get_u32(sb, SB_HASH_SEED + at)),
            hash_unsigned: get_u32(sb, SB_FLAGS) & FLAGS_UNSIGNED_HASH != 0,
        };
        geometry.groups = geometry.count_groups().ok_or(Errno::EUCLEAN)?;
        Ok(geometry)
    }

    /// The inode of the log. `EROFS` if there is none on this disk.
    pub fn journal_inode(&self) -> Result<u32> {
        match self.journal {
            JournalPlace::Inode(ino) => Ok(ino),
            JournalPlace::None | JournalPlace::Elsewhere => Err(Errno::EROFS),
        }
    }

    /// The number of groups, if all numbers make sense.
    fn count_groups(&self) -> Option<u32> {
        let bits = self.block_size as u32 * 8;
        let sane = self.blocks > self.first_data_block
            && (1..=bits).contains(&self.blocks_per_group)
            && (1..=bits).contains(&self.inodes_per_group)
            && (128..=self.block_size).contains(&self.inode_size)
            && self.inode_size.is_power_of_two()
            && (32..=1024).contains(&self.desc_size)
            && self.desc_size.is_power_of_two();
        let blocks = self.blocks.checked_sub(self.first_data_block)?;
        let groups = blocks.div_ceil(u64::from(self.blocks_per_group.max(1)));
        let groups = u32::try_from(groups).ok()?;
        let inodes = u64::from(groups) * u64::from(self.inodes_per_group);
        (sane && inodes == u64::from(self.inodes)).then_some(groups)
    }

    /// Features because of which it cannot even be read, of a superblock that
    /// [`parse`](Self::parse) refused.
    pub fn unreadable(sb: &[u8]) -> Names {
        let ext = get_u16(sb, 56) == MAGIC;
        Names {
            incompat: if ext {
                get_u32(sb, SB_INCOMPAT) & !INCOMPAT_KNOWN
            } else {
                0
            },
            ro_compat: 0,
        }
    }

    /// Blocks that the descriptors of all groups take.
    fn descriptor_blocks(&self) -> u32 {
        (self.groups as usize * self.desc_size).div_ceil(self.block_size) as u32
    }

    /// Blocks at a group's start that hold copies of the superblock and the
    /// descriptors.
    pub fn backup_blocks(&self, group: u32) -> u32 {
        let has_backup = group == 0
            || match self.backups {
                Backups::All => true,
                Backups::Sparse => {
                    group == 1 || [3, 5, 7].iter().any(|base| is_power(group, *base))
                }
                Backups::Two(groups) => groups.contains(&group),
            };
        match has_backup {
            true => 1 + self.descriptor_blocks() + self.reserved_descriptors,
            false => 0,
        }
    }

    /// Bytes of a directory's block that entries may take.
    pub fn dir_usable(&self) -> usize {
        match self.checksums {
            true => self.block_size - TAIL_LEN,
            false => self.block_size,
        }
    }

    /// Bytes behind a table of an index that hold its checksum.
    pub fn index_tail(&self) -> usize {
        if self.checksums { 8 } else { 0 }
    }

    /// The number of blocks in a group; the last may be shorter.
    pub fn blocks_in_group(&self, group: u32) -> u32 {
        let before = u64::from(group) * u64::from(self.blocks_per_group);
        let left = self.blocks - self.first_data_block - before;
        left.min(u64::from(self.blocks_per_group)) as u32
    }

    /// The group of a block and its number in it. `EUCLEAN`.
    pub fn locate_block(&self, block: u64) -> Result<(u32, u32)> {
        if block < self.first_data_block || block >= self.blocks {
            return Err(Errno::EUCLEAN);
        }
        let at = block - self.first_data_block;
        let per_group = u64::from(self.blocks_per_group);
        Ok(((at / per_group) as u32, (at % per_group) as u32))
    }

    /// The first block of a group.
    pub fn group_start(&self, group: u32) -> u64 {
        self.first_data_block + u64::from(group) * u64::from(self.blocks_per_group)
    }

    /// The block that holds the superblock, and where in it.
    pub fn superblock_place(&self) -> (u64, usize) {
        let size = self.block_size as u64;
        (
            SUPERBLOCK_OFFSET / size,
            (SUPERBLOCK_OFFSET % size) as usize,
        )
    }

    /// The block that holds a group's descriptor, and where in it.
    pub fn descriptor_place(&self, group: u32) -> (u64, usize) {
        let per_block = self.block_size / self.desc_size;
        let table = self.superblock_place().0 + 1;
        let block = table + (group as usize / per_block) as u64;
        (block, group as usize % per_block * self.desc_size)
    }
}

fn is_power(mut number: u32, base: u32) -> bool {
    while number > 1 && number.is_multiple_of(base) {
        number /= base;
    }
    number == 1
}
