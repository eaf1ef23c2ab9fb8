//! What the program answers: `struct fuse_*_out`, each looked at before it is used.

use crate::message::Fields;
use paddock_abi::{Errno, Result};
use paddock_vfs::{FileKind, FsStats, Timestamp};

/// The node of the filesystem's root.
pub const ROOT: u64 = 1;
/// `FUSE_SUPER_MAGIC`.
pub const MAGIC: u64 = 0x6573_5546;
/// The largest size of a file.
const MOST_BYTES: u64 = i64::MAX as u64;
const NANOS: u64 = 1_000_000_000;

/// Bytes of `struct fuse_attr_out`.
pub const ATTR_OUT: usize = 104;
/// Bytes of `struct fuse_entry_out`.
pub const ENTRY_OUT: usize = 128;
/// Bytes of `struct fuse_open_out`.
pub const OPEN_OUT: usize = 16;

/// What the program says of a file, with ids as it gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    pub ino: u64,
    pub size: u64,
    pub blocks: u64,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub kind: FileKind,
    /// `0o7777`.
    pub mode: u32,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u32,
    pub block_size: u32,
}

/// Nanoseconds, as a time has them at most.
fn nanos(value: u32) -> u32 {
    value.min(NANOS as u32 - 1)
}

/// How long something holds, in nanoseconds.
fn lasting(seconds: u64, nanoseconds: u32) -> u64 {
    let whole = seconds.saturating_mul(NANOS);
    whole.saturating_add(u64::from(nanos(nanoseconds)))
}

impl Attr {
    /// `EIO` for a file of no kind, or of a size that no file has.
    fn parse(fields: &mut Fields<'_>) -> Result<Attr> {
        let [ino, size, blocks] = [fields.u64()?, fields.u64()?, fields.u64()?];
        let seconds = [fields.u64()?, fields.u64()?, fields.u64()?];
        let parts = [fields.u32()?, fields.u32()?, fields.u32()?];
        let time = |which: usize| Timestamp {
            seconds: seconds[which] as i64,
            nanos: nanos(parts[which]),
        };
        let mode = fields.u32()?;
        let [links, uid, gid, rdev] = [fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?];
        let [block_size, _flags] = [fields.u32()?, fields.u32()?];
        if size > MOST_BYTES {
            return Err(Errno::EIO);
        }
        Ok(Attr {
            ino,
            size,
            blocks,
            atime: time(0),
            mtime: time(1),
            ctime: time(2),
            kind: FileKind::from_mode(mode).map_err(|_| Errno::EIO)?,
            mode: mode & 0o7777,
            links,
            uid,
            gid,
            rdev,
            block_size: match block_size {
                0 => 4096,
                size => size,
            },
        })
    }
}

/// `struct fuse_attr_out`: what a file is, and for how many nanoseconds that holds.
pub fn attr(answer: &[u8]) -> Result<(Attr, u64)> {
    let mut fields = Fields(answer);
    let (seconds, part, _) = (fields.u64()?, fields.u32()?, fields.u32()?);
    Ok((Attr::parse(&mut fields)?, lasting(seconds, part)))
}

/// `struct fuse_entry_out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub node: u64,
    pub generation: u64,
    pub attr: Attr,
    /// For how many nanoseconds the name leads there, and the attributes hold.
    pub name_for: u64,
    pub attr_for: u64,
}

/// What a name leads to: nothing, for how many nanoseconds, or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing(u64),
    Node(Entry),
}

/// What a name leads to. `EIO` for the root, which has none, and for what is no file.
pub fn found(answer: &[u8]) -> Result<Found> {
    let mut fields = Fields(answer);
    let [node, generation] = [fields.u64()?, fields.u64()?];
    let [name, attr] = [fields.u64()?, fields.u64()?];
    let [name_part, attr_part] = [fields.u32()?, fields.u32()?];
    let name_for = lasting(name, name_part);
    match node {
        0 => Ok(Found::Nothing(name_for)),
        ROOT => Err(Errno::EIO),
        _ => Ok(Found::Node(Entry {
            node,
            generation,
            attr: Attr::parse(&mut fields)?,
            name_for,
            attr_for: lasting(attr, attr_part),
        })),
    }
}

/// The entry of what was just made, of that kind. `EIO` for another.
pub fn made(answer: &[u8], kind: FileKind) -> Result<Entry> {
    match found(answer)? {
        Found::Node(entry) if entry.attr.kind == kind => Ok(entry),
        _ => Err(Errno::EIO),
    }
}

bitflags::bitflags! {
    /// What an open file is like (`FOPEN_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenedAs: u32 {
        /// Nothing of it is kept.
        const DIRECT_IO = 1;
        /// What is kept of it holds still.
        const KEEP_CACHE = 2;
        /// It has no offsets.
        const NONSEEKABLE = 4;
        /// Nor a position.
        const STREAM = 16;
        /// Closing it is not told.
        const NOFLUSH = 32;
    }
}

/// `struct fuse_open_out`: the program's number for the open file, and what that is like.
pub fn opened(answer: &[u8]) -> Result<(u64, OpenedAs)> {
    let mut fields = Fields(answer);
    let (number, flags) = (fields.u64()?, fields.u32()?);
    Ok((number, OpenedAs::from_bits_truncate(flags)))
}

/// `struct fuse_write_out`: bytes, of `most` that were given. `EIO` for more.
pub fn written(answer: &[u8], most: usize) -> Result<usize> {
    let count = Fields(answer).u32()? as usize;
    match count <= most {
        true => Ok(count),
        false => Err(Errno::EIO),
    }
}

/// `struct fuse_lseek_out`. `EIO` for what is no offset.
pub fn offset(answer: &[u8]) -> Result<u64> {
    let offset = Fields(answer).u64()?;
    match offset <= MOST_BYTES {
        true => Ok(offset),
        false => Err(Errno::EIO),
    }
}

/// `struct fuse_statfs_out`.
pub fn statfs(answer: &[u8]) -> Result<FsStats> {
    let mut fields = Fields(answer);
    let [blocks, blocks_free, blocks_available] = [fields.u64()?, fields.u64()?, fields.u64()?];
    let [files, files_free] = [fields.u64()?, fields.u64()?];
    let [io_size, name_max, fragment] = [fields.u32()?, fields.u32()?, fields.u32()?];
    Ok(FsStats {
        magic: MAGIC,
        block_size: u64::from(fragment),
        io_size: u64::from(io_size),
        blocks,
        blocks_free,
        blocks_available,
        files,
        files_free,
        name_max: u64::from(name_max),
        fsid: 0,
    })
}
