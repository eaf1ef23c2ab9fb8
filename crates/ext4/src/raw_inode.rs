//! Inodes as they lie on the disk.

use crate::bytes::{get_split, get_u16, get_u32, put_u16, put_u32};
use crate::checksums::{Owner, Seal};
use crate::transaction::Core;
use core::ops::Range;
use paddock_abi::stat::{
    STATX_ATTR_APPEND, STATX_ATTR_COMPRESSED, STATX_ATTR_ENCRYPTED, STATX_ATTR_IMMUTABLE,
    STATX_ATTR_NODUMP, STATX_ATTR_VERITY, device_major, device_minor, make_device,
};
use paddock_vfs::{Errno, FileKind, NewNode, Result, Timestamp};

/// The part of an inode that is used here.
const USED: usize = 256;
/// Bytes of the fields past the first 128 that new inodes have.
const EXTRA_SIZE: u16 = 32;
/// Where the fields end that all inodes have; how many bytes of others there are is
/// there.
pub const SMALL: usize = 128;

/// Flags that statx(2) tells, which have the same numbers there.
pub const FLAGS_TOLD: u32 = (STATX_ATTR_COMPRESSED
    | STATX_ATTR_IMMUTABLE
    | STATX_ATTR_APPEND
    | STATX_ATTR_NODUMP
    | STATX_ATTR_ENCRYPTED
    | STATX_ATTR_VERITY) as u32;
pub const FLAG_INDEX: u32 = 0x1000;
pub const FLAG_EXTENTS: u32 = 0x8_0000;
const FLAG_INLINE_DATA: u32 = 0x1000_0000;

/// Offsets of a time: the seconds, and the extra bits.
#[derive(Clone, Copy)]
pub(crate) struct TimeField {
    seconds: usize,
    extra: usize,
}

pub const ATIME: TimeField = TimeField {
    seconds: 8,
    extra: 140,
};
pub const CTIME: TimeField = TimeField {
    seconds: 12,
    extra: 132,
};
pub const MTIME: TimeField = TimeField {
    seconds: 16,
    extra: 136,
};
const CRTIME: TimeField = TimeField {
    seconds: 144,
    extra: 148,
};

/// Where `i_block` begins: the extent tree's root, a short link's target, or
/// a device number.
pub const I_BLOCK: usize = 40;
/// The length of `i_block`.
pub const I_BLOCK_LEN: usize = 60;

/// What of an inode is no time: all but the three times that change, their extra bits, and
/// the checksum.
const NO_TIMES: [Range<usize>; 4] = [0..8, 20..124, 126..130, 144..256];

/// Whether two states of an inode, as it lies on the disk, differ in times at most.
pub(crate) fn differs_in_times(before: &[u8], after: &[u8]) -> bool {
    let is_same = |range: &Range<usize>| {
        let part = range.start.min(before.len())..range.end.min(before.len());
        before.get(part.clone()) == after.get(part)
    };
    before.len() == after.len()
        && NO_TIMES.iter().all(is_same)
        && before.get(USED..) == after.get(USED..)
}

/// The generation of an inode as it lies on the disk.
pub(crate) fn generation_in(bytes: &[u8]) -> u32 {
    get_u32(bytes, 100)
}

/// A copy of an inode; [`Core::put_inode`] writes it back.
#[derive(Clone)]
pub(crate) struct RawInode {
    pub ino: u32,
    bytes: [u8; USED],
    size: usize,
}

impl Core {
    /// A copy of the inode. `EBADMSG`, `EUCLEAN`, `EIO`.
    pub fn inode(&mut self, ino: u32) -> Result<RawInode> {
        let (block, at) = self.inode_place(ino)?;
        let size = self.geometry.inode_size;
        let (checksums, part) = (self.geometry.checksums, (at / size) as u32);
        if checksums && let Some(data) = self.read_checked(block, part) {
            return Ok(RawInode::new(ino, &data[at..at + size]));
        }
        self.read_near(block);
        if checksums {
            self.check(block, part, |geometry, data| {
                let bytes = &data[at..at + size];
                geometry.is_inode_sound(&RawInode::new(ino, bytes), bytes)
            })?;
        }
        Ok(RawInode::new(ino, &self.read(block)?[at..at + size]))
    }

    /// Writes the inode back, within an operation.
    pub fn put_inode(&mut self, raw: &RawInode) -> Result<()> {
        self.note_inode(raw)?;
        let (block, at) = self.inode_place(raw.ino)?;
        let data = self.inode_bytes_mut(raw.ino, block, at)?;
        data[..raw.size].copy_from_slice(&raw.bytes[..raw.size]);
        Ok(())
    }

    /// An inode's bytes in the block where it is, to change.
    pub fn inode_bytes_mut(&mut self, ino: u32, block: u64, at: usize) -> Result<&mut [u8]> {
        let size = self.geometry.inode_size;
        let first = ino - (at / size) as u32;
        self.modify_bytes(block, Seal::Inodes(first), at, size)
    }

    /// A new inode with one link and an empty map, if it has data.
    pub fn new_inode(&mut self, ino: u32, node: &NewNode) -> Result<RawInode> {
        // Whatever is behind the part that is used here goes.
        let (block, at) = self.inode_place(ino)?;
        let size = self.geometry.inode_size;
        self.read_near(block);
        let old = RawInode::new(ino, &self.read(block)?[at..at + size]);
        self.inode_bytes_mut(ino, block, at)?.fill(0);
        self.set_checked(block, (at / size) as u32);
        let now = self.clock.now();
        let mut raw = RawInode {
            bytes: [0; USED],
            ..old
        };
        raw.set_kind_and_mode(node.kind, node.mode);
        raw.set_owner(node.uid, node.gid);
        raw.set_links(1);
        raw.set_generation(old.generation().wrapping_add(1));
        if raw.size > SMALL {
            put_u16(&mut raw.bytes, SMALL, EXTRA_SIZE);
        }
        for field in [ATIME, CTIME, MTIME, CRTIME] {
            raw.set_time(field, now);
        }
        match node.kind {
            FileKind::Regular | FileKind::Directory => self.init_map(&mut raw),
            FileKind::CharDevice | FileKind::BlockDevice => raw.set_rdev(node.rdev),
            _ => {}
        }
        Ok(raw)
    }
}

impl RawInode {
    /// An inode as it lies on the disk.
    #[inline]
    fn new(ino: u32, from: &[u8]) -> RawInode {
        let mut raw = RawInode {
            ino,
            bytes: [0; USED],
            size: from.len().min(USED),
        };
        match from.first_chunk() {
            Some(whole) => raw.bytes = *whole,
            None => raw.bytes[..from.len()].copy_from_slice(from),
        }
        raw
    }

    /// The kind. `EUCLEAN` if it has none, or keeps its data inline.
    pub fn kind(&self) -> Result<FileKind> {
        if self.flags() & FLAG_INLINE_DATA != 0 {
            return Err(Errno::EUCLEAN);
        }
        FileKind::from_mode(u32::from(get_u16(&self.bytes, 0))).map_err(|_| Errno::EUCLEAN)
    }

    /// Whether a map of blocks is in it. `EUCLEAN` as for [`kind`](Self::kind).
    pub fn has_map(&self) -> Result<bool> {
        Ok(match self.kind()? {
            FileKind::Regular | FileKind::Directory => true,
            FileKind::Symlink => !self.has_short_target(),
            _ => false,
        })
    }

    /// Of a symbolic link: whether its target is in it.
    pub fn has_short_target(&self) -> bool {
        !self.has_extents() && self.size() < I_BLOCK_LEN as u64
    }

    pub fn mode(&self) -> u32 {
        u32::from(get_u16(&self.bytes, 0)) & 0o7777
    }

    fn set_kind_and_mode(&mut self, kind: FileKind, mode: u32) {
        let mode = kind.mode_bits() | (mode & 0o7777);
        put_u16(&mut self.bytes, 0, mode as u16);
    }

    pub fn set_mode(&mut self, mode: u32) {
        let kind = get_u16(&self.bytes, 0) & 0o170000;
        put_u16(&mut self.bytes, 0, kind | (mode & 0o7777) as u16);
    }

    pub fn uid(&self) -> u32 {
        u32::from(get_u16(&self.bytes, 2)) | u32::from(get_u16(&self.bytes, 120)) << 16
    }

    pub fn gid(&self) -> u32 {
        u32::from(get_u16(&self.bytes, 24)) | u32::from(get_u16(&self.bytes, 122)) << 16
    }

    pub fn set_owner(&mut self, uid: u32, gid: u32) {
        put_u16(&mut self.bytes, 2, uid as u16);
        put_u16(&mut self.bytes, 120, (uid >> 16) as u16);
        put_u16(&mut self.bytes, 24, gid as u16);
        put_u16(&mut self.bytes, 122, (gid >> 16) as u16);
    }

    pub fn size(&self) -> u64 {
        get_split(&self.bytes, 4, 108)
    }

    pub fn set_size(&mut self, size: u64) {
        put_u32(&mut self.bytes, 4, size as u32);
        put_u32(&mut self.bytes, 108, (size >> 32) as u32);
    }

    pub fn links(&self) -> u32 {
        u32::from(get_u16(&self.bytes, 26))
    }

    pub fn set_links(&mut self, links: u32) {
        put_u16(&mut self.bytes, 26, links as u16);
    }

    pub fn flags(&self) -> u32 {
        get_u32(&self.bytes, 32)
    }

    pub fn set_flags(&mut self, flags: u32) {
        put_u32(&mut self.bytes, 32, flags);
    }

    pub fn generation(&self) -> u32 {
        generation_in(&self.bytes)
    }

    /// Whose the metadata is that belongs to the inode.
    pub fn owner(&self) -> Owner {
        Owner {
            ino: self.ino,
            generation: self.generation(),
        }
    }

    fn set_generation(&mut self, generation: u32) {
        put_u32(&mut self.bytes, 100, generation);
    }

    /// The space taken, in units of 512 bytes.
    pub fn sectors(&self) -> u64 {
        u64::from(get_u32(&self.bytes, 28)) | u64::from(get_u16(&self.bytes, 116)) << 32
    }

    /// Counts `change` blocks of `block_size` bytes more (or fewer).
    pub fn add_blocks(&mut self, change: i64, block_size: usize) {
        let sectors = change * (block_size / 512) as i64;
        let sectors = self.sectors().saturating_add_signed(sectors);
        put_u32(&mut self.bytes, 28, sectors as u32);
        put_u16(&mut self.bytes, 116, (sectors >> 32) as u16);
    }

    /// The block of extended attributes, or 0.
    pub fn attribute_block(&self) -> u64 {
        u64::from(get_u32(&self.bytes, 104)) | u64::from(get_u16(&self.bytes, 118)) << 32
    }

    pub fn set_attribute_block(&mut self, block: u64) {
        put_u32(&mut self.bytes, 104, block as u32);
        put_u16(&mut self.bytes, 118, (block >> 32) as u16);
    }

    /// The time of deletion; in the list of orphans, the next one's number.
    pub fn dtime(&self) -> u32 {
        get_u32(&self.bytes, 20)
    }

    pub fn set_dtime(&mut self, value: u32) {
        put_u32(&mut self.bytes, 20, value);
    }

    /// When it was made, if there is room for that.
    pub fn born(&self) -> Option<Timestamp> {
        let extra_size = usize::from(get_u16(&self.bytes, SMALL));
        let has_field = self.size > SMALL && SMALL + extra_size >= CRTIME.seconds + 4;
        has_field.then(|| self.time(CRTIME))
    }

    fn has_extra(&self, field: TimeField) -> bool {
        let extra_size = usize::from(get_u16(&self.bytes, SMALL));
        self.size > SMALL && SMALL + extra_size >= field.extra + 4
    }

    pub fn time(&self, field: TimeField) -> Timestamp {
        let low = get_u32(&self.bytes, field.seconds) as i32;
        let extra = match self.has_extra(field) {
            true => get_u32(&self.bytes, field.extra),
            false => 0,
        };
        Timestamp {
            seconds: i64::from(low) + (i64::from(extra & 3) << 32),
            nanos: (extra >> 2).min(999_999_999),
        }
    }

    pub fn set_time(&mut self, field: TimeField, time: Timestamp) {
        if field.seconds >= SMALL && !self.has_extra(field) {
            return;
        }
        put_u32(&mut self.bytes, field.seconds, time.seconds as u32);
        if self.has_extra(field) {
            let low = i64::from(time.seconds as i32);
            let epoch = ((time.seconds - low) >> 32) as u32 & 3;
            put_u32(&mut self.bytes, field.extra, time.nanos << 2 | epoch);
        }
    }

    /// Records a change of data.
    pub fn modified(&mut self, now: Timestamp) {
        self.set_time(MTIME, now);
        self.set_time(CTIME, now);
    }

    /// The device number: old and new encodings.
    pub fn rdev(&self) -> u64 {
        let (old, new) = (
            get_u32(&self.bytes, I_BLOCK),
            get_u32(&self.bytes, I_BLOCK + 4),
        );
        match old {
            0 => make_device((new >> 8) & 0xfff, (new & 0xff) | (new >> 12 & 0xf_ff00)),
            _ => make_device((old >> 8) & 0xff, old & 0xff),
        }
    }

    fn set_rdev(&mut self, rdev: u64) {
        let (major, minor) = (device_major(rdev), device_minor(rdev));
        if major < 256 && minor < 256 {
            put_u32(&mut self.bytes, I_BLOCK, major << 8 | minor);
        } else {
            let packed = (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12;
            put_u32(&mut self.bytes, I_BLOCK + 4, packed);
        }
    }

    pub fn i_block(&self) -> &[u8] {
        &self.bytes[I_BLOCK..I_BLOCK + I_BLOCK_LEN]
    }

    pub fn i_block_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[I_BLOCK..I_BLOCK + I_BLOCK_LEN]
    }
}
