//! Flags of open(2), fcntl(2) and the `*at` calls, with AArch64's values.

bitflags::bitflags! {
    /// Flags of openat(2), as `<asm/fcntl.h>` of arm64 numbers them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Open for writing only.
        const WRONLY = 0o1;
        /// Open for reading and writing.
        const RDWR = 0o2;
        /// Create the file if it is missing.
        const CREAT = 0o100;
        /// With `CREAT`: fail if the file exists.
        const EXCL = 0o200;
        /// Do not make a terminal the controlling one.
        const NOCTTY = 0o400;
        /// Cut a regular file to no bytes.
        const TRUNC = 0o1000;
        /// Write at the end, always.
        const APPEND = 0o2000;
        /// Never wait.
        const NONBLOCK = 0o4000;
        /// Data reaches the disk before a write returns.
        const DSYNC = 0o10000;
        /// Signal-driven I/O.
        const ASYNC = 0o20000;
        /// Fail unless it is a directory.
        const DIRECTORY = 0o40000;
        /// Do not follow a symbolic link at the end of the path.
        const NOFOLLOW = 0o100000;
        /// Bypass the page cache.
        const DIRECT = 0o200000;
        /// 64-bit offsets, implied here.
        const LARGEFILE = 0o400000;
        /// Do not touch the access time.
        const NOATIME = 0o1000000;
        /// Close on execve.
        const CLOEXEC = 0o2000000;
        /// Data and metadata reach the disk before a write returns.
        const SYNC = 0o4010000;
        /// Name a place, open nothing.
        const PATH = 0o10000000;
        /// The part of `TMPFILE` that is not `DIRECTORY`: never right alone.
        const UNNAMED = 0o20000000;
        /// An unnamed file in a directory.
        const TMPFILE = 0o20040000;
    }
}

impl OpenFlags {
    /// The two bits of the access mode.
    pub const ACCESS_MODE: u32 = 0o3;

    /// Whether the access mode lets one read.
    pub const fn readable(self) -> bool {
        !self.contains(OpenFlags::PATH) && matches!(self.bits() & Self::ACCESS_MODE, 0 | 2)
    }

    /// Whether the access mode lets one write.
    pub const fn writable(self) -> bool {
        !self.contains(OpenFlags::PATH) && matches!(self.bits() & Self::ACCESS_MODE, 1 | 2)
    }
}

/// The working directory in place of a directory descriptor.
pub const AT_FDCWD: i32 = -100;
/// Do not follow a symbolic link at the end of the path.
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// faccessat2(2): check with the effective identity.
pub const AT_EACCESS: u32 = 0x200;
/// unlinkat(2): remove a directory.
pub const AT_REMOVEDIR: u32 = 0x200;
/// linkat(2): follow a symbolic link at the end of the old path.
pub const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// Do not trigger automounts.
pub const AT_NO_AUTOMOUNT: u32 = 0x800;
/// With all that is mounted below it.
pub const AT_RECURSIVE: u32 = 0x8000;
/// An empty path means the descriptor itself.
pub const AT_EMPTY_PATH: u32 = 0x1000;

/// renameat2(2): fail if the new name exists.
pub const RENAME_NOREPLACE: u32 = 1;
/// renameat2(2): exchange the two names.
pub const RENAME_EXCHANGE: u32 = 2;

/// lseek(2): from the start.
pub const SEEK_SET: u32 = 0;
/// lseek(2): from the current offset.
pub const SEEK_CUR: u32 = 1;
/// lseek(2): from the end.
pub const SEEK_END: u32 = 2;
/// lseek(2): to the next data.
pub const SEEK_DATA: u32 = 3;
/// lseek(2): to the next hole.
pub const SEEK_HOLE: u32 = 4;

/// fallocate(2): the size stays.
pub const FALLOC_FL_KEEP_SIZE: u32 = 0x1;
/// fallocate(2): gives the space back.
pub const FALLOC_FL_PUNCH_HOLE: u32 = 0x2;
/// fallocate(2): takes a range out of the file.
pub const FALLOC_FL_COLLAPSE_RANGE: u32 = 0x8;
/// fallocate(2): makes a range read as zeroes.
pub const FALLOC_FL_ZERO_RANGE: u32 = 0x10;
/// fallocate(2): puts a hole into the file.
pub const FALLOC_FL_INSERT_RANGE: u32 = 0x20;

/// fcntl(2): duplicate, lowest descriptor at or above the argument.
pub const F_DUPFD: u32 = 0;
/// fcntl(2): descriptor flags.
pub const F_GETFD: u32 = 1;
/// fcntl(2): set descriptor flags.
pub const F_SETFD: u32 = 2;
/// fcntl(2): status flags.
pub const F_GETFL: u32 = 3;
/// fcntl(2): set status flags.
pub const F_SETFL: u32 = 4;
/// fcntl(2): is a record locked?
pub const F_GETLK: u32 = 5;
/// fcntl(2): lock a record, or fail.
pub const F_SETLK: u32 = 6;
/// fcntl(2): lock a record, waiting.
pub const F_SETLKW: u32 = 7;
/// fcntl(2): who hears of events; a group is negative.
pub const F_SETOWN: u32 = 8;
/// fcntl(2): who that is.
pub const F_GETOWN: u32 = 9;
/// fcntl(2): by which signal.
pub const F_SETSIG: u32 = 10;
/// fcntl(2): sets a lease, or gives it up.
pub const F_SETLEASE: u32 = 1024;
/// fcntl(2): tells of the lease.
pub const F_GETLEASE: u32 = 1025;
/// fcntl(2): a lock or a lease for reading.
pub const F_RDLCK: u32 = 0;
/// fcntl(2): one for writing.
pub const F_WRLCK: u32 = 1;
/// fcntl(2): none.
pub const F_UNLCK: u32 = 2;
/// fcntl(2): what happens in a folder is told by signals.
pub const F_NOTIFY: u32 = 1026;
/// An event of `F_NOTIFY`: a file was read.
pub const DN_ACCESS: u32 = 1;
/// One was written or cut.
pub const DN_MODIFY: u32 = 2;
/// One was made, or came.
pub const DN_CREATE: u32 = 4;
/// One lost its name there.
pub const DN_DELETE: u32 = 8;
/// One got another name there.
pub const DN_RENAME: u32 = 16;
/// The metadata of one changed.
pub const DN_ATTRIB: u32 = 32;
/// Again and again, beside the events.
pub const DN_MULTISHOT: u32 = 0x8000_0000;
/// fcntl(2): which that is.
pub const F_GETSIG: u32 = 11;
/// fcntl(2): as `F_SETOWN`, with the kind of owner (`struct f_owner_ex`).
pub const F_SETOWN_EX: u32 = 15;
/// fcntl(2): as `F_GETOWN`, likewise.
pub const F_GETOWN_EX: u32 = 16;
/// `struct f_owner_ex`: a thread.
pub const F_OWNER_TID: i32 = 0;
/// A process.
pub const F_OWNER_PID: i32 = 1;
/// A process group.
pub const F_OWNER_PGRP: i32 = 2;
/// ioctl(2): signal-driven I/O on or off.
pub const FIOASYNC: u32 = 0x5452;
/// ioctl(2) of sockets: as `F_SETOWN`.
pub const FIOSETOWN: u32 = 0x8901;
/// The same.
pub const SIOCSPGRP: u32 = 0x8902;
/// ioctl(2) of sockets: as `F_GETOWN`.
pub const FIOGETOWN: u32 = 0x8903;
/// The same.
pub const SIOCGPGRP: u32 = 0x8904;
/// fcntl(2): as `F_DUPFD`, with close-on-exec.
pub const F_DUPFD_CLOEXEC: u32 = 1030;
/// fcntl(2): capacity of a pipe.
pub const F_SETPIPE_SZ: u32 = 1031;
/// fcntl(2): capacity of a pipe.
pub const F_GETPIPE_SZ: u32 = 1032;
/// fcntl(2): seals that are added, and those there are.
pub const F_ADD_SEALS: u32 = 1033;
/// See [`F_ADD_SEALS`].
pub const F_GET_SEALS: u32 = 1034;
/// No more seals.
pub const F_SEAL_SEAL: u32 = 1;
/// The file becomes no shorter.
pub const F_SEAL_SHRINK: u32 = 2;
/// The file becomes no longer.
pub const F_SEAL_GROW: u32 = 4;
/// The file is not written.
pub const F_SEAL_WRITE: u32 = 8;
/// The file is not written but through mappings that are there.
pub const F_SEAL_FUTURE_WRITE: u32 = 16;
/// All seals there can be.
pub const F_SEAL_ALL: u32 = 31;
/// memfd_create(2): close on execve.
pub const MFD_CLOEXEC: u32 = 1;
/// memfd_create(2): there can be seals.
pub const MFD_ALLOW_SEALING: u32 = 2;
/// splice(2): not to wait for pipes.
pub const SPLICE_F_NONBLOCK: u32 = 2;
/// splice(2): what is known; `SPLICE_F_MOVE`, `SPLICE_F_MORE` and
/// `SPLICE_F_GIFT` are hints.
pub const SPLICE_F_ALL: u32 = 15;
/// The one descriptor flag: close on execve.
pub const FD_CLOEXEC: u32 = 1;

/// preadv2(2), pwritev2(2): poll for the end.
pub const RWF_HIPRI: u32 = 1;
/// The bytes reach the disk, as with `O_DSYNC`.
pub const RWF_DSYNC: u32 = 2;
/// They and what describes them reach the disk, as with `O_SYNC`.
pub const RWF_SYNC: u32 = 4;
/// Nobody is waited for, as with `O_NONBLOCK`.
pub const RWF_NOWAIT: u32 = 8;
/// At the file's end, as with `O_APPEND`.
pub const RWF_APPEND: u32 = 16;
