//! What stat(2) tells, and what can be set.

use crate::{Errno, Result};
use paddock_abi::dirent;
use paddock_abi::stat::{
    S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, Stat, Statfs,
};

/// A point of the real-time clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// The real-time clock, handed to filesystems. Never sleeps.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// What kind of file an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A fifo.
    Fifo,
    /// A socket's name.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl FileKind {
    /// The type bits of `st_mode`.
    pub const fn mode_bits(self) -> u32 {
        match self {
            FileKind::Regular => S_IFREG,
            FileKind::Directory => S_IFDIR,
            FileKind::Symlink => S_IFLNK,
            FileKind::Fifo => S_IFIFO,
            FileKind::Socket => S_IFSOCK,
            FileKind::CharDevice => S_IFCHR,
            FileKind::BlockDevice => S_IFBLK,
        }
    }

    /// The kind that the type bits of `mode` name. `EINVAL` if none does.
    pub const fn from_mode(mode: u32) -> Result<FileKind> {
        Ok(match mode & S_IFMT {
            S_IFREG => FileKind::Regular,
            S_IFDIR => FileKind::Directory,
            S_IFLNK => FileKind::Symlink,
            S_IFIFO => FileKind::Fifo,
            S_IFSOCK => FileKind::Socket,
            S_IFCHR => FileKind::CharDevice,
            S_IFBLK => FileKind::BlockDevice,
            _ => return Err(Errno::EINVAL),
        })
    }

    /// The `d_type` of getdents64(2).
    pub const fn dirent_type(self) -> u8 {
        match self {
            FileKind::Regular => dirent::DT_REG,
            FileKind::Directory => dirent::DT_DIR,
            FileKind::Symlink => dirent::DT_LNK,
            FileKind::Fifo => dirent::DT_FIFO,
            FileKind::Socket => dirent::DT_SOCK,
            FileKind::CharDevice => dirent::DT_CHR,
            FileKind::BlockDevice => dirent::DT_BLK,
        }
    }
}

/// What is known of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The filesystem's device number.
    pub device: u64,
    /// The inode number, unique in its filesystem.
    pub ino: u64,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, setuid, setgid and sticky: `0o7777`.
    pub mode: u32,
    /// The number of names.
    pub links: u32,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The device number of a device node, else 0.
    pub rdev: u64,
    /// The length in bytes.
    pub size: u64,
    /// The space taken, in units of 512 bytes.
    pub blocks: u64,
    /// The preferred unit of I/O in bytes.
    pub block_size: u32,
    /// When it was last read.
    pub atime: Timestamp,
    /// When its data last changed.
    pub mtime: Timestamp,
    /// When its metadata last changed.
    pub ctime: Timestamp,
}

/// What only statx(2) tells of an inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// When it was made, where that is kept.
    pub born: Option<Timestamp>,
    /// What it is marked with (`STATX_ATTR_*`).
    pub attributes: u64,
    /// Which marks its filesystem keeps.
    pub known: u64,
}

/// The device number (st_dev) of pipes.
pub const PIPE_DEVICE: u64 = 0xc;
/// That of files that only have a descriptor: epolls, eventfds, timers.
pub const ANONYMOUS_DEVICE: u64 = 0xd;
/// That of sockets.
pub const SOCKET_DEVICE: u64 = 8;

impl Metadata {
    /// What fstat(2) says of a file that only has a descriptor.
    pub const fn anonymous() -> Metadata {
        Metadata::nameless(ANONYMOUS_DEVICE, 1, FileKind::Regular, 0o600)
    }

    /// What fstat(2) says of something without a name, an owner or a time.
    pub const fn nameless(device: u64, ino: u64, kind: FileKind, mode: u32) -> Metadata {
        let never = Timestamp {
            seconds: 0,
            nanos: 0,
        };
        Metadata {
            device,
            ino,
            kind,
            mode,
            links: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            size: 0,
            blocks: 0,
            block_size: 4096,
            atime: never,
            mtime: never,
            ctime: never,
        }
    }

    /// Type and permission bits, as `st_mode`.
    pub const fn full_mode(&self) -> u32 {
        self.kind.mode_bits() | self.mode
    }

    /// The structure that stat(2) fills in.
    pub fn to_stat(&self) -> Stat {
        Stat {
            st_dev: self.device,
            st_ino: self.ino,
            st_mode: self.full_mode(),
            st_nlink: self.links,
            st_uid: self.uid,
            st_gid: self.gid,
            st_rdev: self.rdev,
            st_size: self.size as i64,
            st_blksize: self.block_size as i32,
            st_blocks: self.blocks as i64,
            st_atime: self.atime.seconds,
            st_atime_nsec: u64::from(self.atime.nanos),
            st_mtime: self.mtime.seconds,
            st_mtime_nsec: u64::from(self.mtime.nanos),
            st_ctime: self.ctime.seconds,
            st_ctime_nsec: u64::from(self.ctime.nanos),
            ..Stat::default()
        }
    }
}

/// What to change of an inode; `None` leaves a value as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetMetadata {
    /// Permission bits (`0o7777`).
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The owning group.
    pub gid: Option<u32>,
    /// The length in bytes: cuts, or extends with a hole.
    pub size: Option<u64>,
    /// The access time.
    pub atime: Option<Timestamp>,
    /// The modification time.
    pub mtime: Option<Timestamp>,
}

/// What statfs(2) tells of a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsStats {
    /// The magic number of the kind of filesystem.
    pub magic: u64,
    /// Bytes in a block.
    pub block_size: u64,
    /// The preferred unit of I/O in bytes; 0 if that is a block.
    pub io_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Free blocks for ordinary users.
    pub blocks_available: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// The longest name in bytes.
    pub name_max: u64,
    /// A number of its own; 0 if it has none.
    pub fsid: u64,
}

impl FsStats {
    /// The structure that statfs(2) fills in.
    pub fn to_statfs(&self) -> Statfs {
        Statfs {
            f_type: self.magic,
            f_bsize: match self.io_size {
                0 => self.block_size,
                size => size,
            },
            f_blocks: self.blocks,
            f_bfree: self.blocks_free,
            f_bavail: self.blocks_available,
            f_files: self.files,
            f_ffree: self.files_free,
            f_namelen: self.name_max,
            f_frsize: self.block_size,
            f_fsid: [self.fsid as i32, (self.fsid >> 32) as i32],
            ..Statfs::default()
        }
    }
}
