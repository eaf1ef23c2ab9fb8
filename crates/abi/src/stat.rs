//! stat(2), statx(2) and statfs(2): file modes and the structures of arm64.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The bits of the file's type in a mode.
pub const S_IFMT: u32 = 0o170000;
/// A socket.
pub const S_IFSOCK: u32 = 0o140000;
/// A symbolic link.
pub const S_IFLNK: u32 = 0o120000;
/// A regular file.
pub const S_IFREG: u32 = 0o100000;
/// A block device.
pub const S_IFBLK: u32 = 0o060000;
/// A directory.
pub const S_IFDIR: u32 = 0o040000;
/// A character device.
pub const S_IFCHR: u32 = 0o020000;
/// A first-in first-out pipe.
pub const S_IFIFO: u32 = 0o010000;
/// Set the user on execve.
pub const S_ISUID: u32 = 0o4000;
/// Set the group on execve; in a directory, new files inherit the group.
pub const S_ISGID: u32 = 0o2000;
/// In a directory: only owners remove.
pub const S_ISVTX: u32 = 0o1000;

/// `f_flags` of `struct statfs` says something.
pub const ST_VALID: u64 = 0x20;
/// Reading leaves access times alone.
pub const ST_NOATIME: u64 = 0x400;
/// statfs(2), `f_flags`: symbolic links are not followed.
pub const ST_NOSYMFOLLOW: u64 = 0x2000;

/// The field of a file's birth.
pub const STATX_BTIME: u32 = 0x800;
/// Its filesystem keeps it compressed.
pub const STATX_ATTR_COMPRESSED: u64 = 0x4;
/// Nobody changes it.
pub const STATX_ATTR_IMMUTABLE: u64 = 0x10;
/// It only gets longer.
pub const STATX_ATTR_APPEND: u64 = 0x20;
/// Backups leave it out.
pub const STATX_ATTR_NODUMP: u64 = 0x40;
/// A key is needed to read it.
pub const STATX_ATTR_ENCRYPTED: u64 = 0x800;
/// Its content is checked as it is read.
pub const STATX_ATTR_VERITY: u64 = 0x10_0000;

/// `struct stat` of arm64 (`<asm-generic/stat.h>`), 128 bytes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are those of stat(2)")]
pub struct Stat {
    pub st_dev: u64,
    pub st_ino: u64,
    pub st_mode: u32,
    pub st_nlink: u32,
    pub st_uid: u32,
    pub st_gid: u32,
    pub st_rdev: u64,
    pub pad1: u64,
    pub st_size: i64,
    pub st_blksize: i32,
    pub pad2: i32,
    pub st_blocks: i64,
    pub st_atime: i64,
    pub st_atime_nsec: u64,
    pub st_mtime: i64,
    pub st_mtime_nsec: u64,
    pub st_ctime: i64,
    pub st_ctime_nsec: u64,
    pub unused: [u32; 2],
}

/// `struct statx_timestamp`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are those of statx(2)")]
pub struct StatxTimestamp {
    pub tv_sec: i64,
    pub tv_nsec: u32,
    pub reserved: i32,
}

/// `struct statx`, 256 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are those of statx(2)")]
pub struct Statx {
    pub stx_mask: u32,
    pub stx_blksize: u32,
    pub stx_attributes: u64,
    pub stx_nlink: u32,
    pub stx_uid: u32,
    pub stx_gid: u32,
    pub stx_mode: u16,
    pub spare0: u16,
    pub stx_ino: u64,
    pub stx_size: u64,
    pub stx_blocks: u64,
    pub stx_attributes_mask: u64,
    pub stx_atime: StatxTimestamp,
    pub stx_btime: StatxTimestamp,
    pub stx_ctime: StatxTimestamp,
    pub stx_mtime: StatxTimestamp,
    pub stx_rdev_major: u32,
    pub stx_rdev_minor: u32,
    pub stx_dev_major: u32,
    pub stx_dev_minor: u32,
    pub stx_mnt_id: u64,
    pub spare2: u64,
    pub spare3: [u64; 12],
}

/// statx(2): everything that stat(2) gives.
pub const STATX_BASIC_STATS: u32 = 0x7ff;

/// `struct statfs` of arm64, 120 bytes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are those of statfs(2)")]
pub struct Statfs {
    pub f_type: u64,
    pub f_bsize: u64,
    pub f_blocks: u64,
    pub f_bfree: u64,
    pub f_bavail: u64,
    pub f_files: u64,
    pub f_ffree: u64,
    pub f_fsid: [i32; 2],
    pub f_namelen: u64,
    pub f_frsize: u64,
    pub f_flags: u64,
    pub f_spare: [u64; 4],
}

/// `f_type` of ext2, ext3 and ext4.
pub const EXT4_SUPER_MAGIC: u64 = 0xef53;
/// `f_type` of a memory filesystem.
pub const TMPFS_MAGIC: u64 = 0x0102_1994;
/// `f_type` of `/proc`.
pub const PROC_SUPER_MAGIC: u64 = 0x9fa0;
/// Filesystem type of `/sys`.
pub const SYSFS_MAGIC: u64 = 0x6265_6572;
/// `f_type` of cgroup2.
pub const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
/// utimensat(2): the current time.
pub const UTIME_NOW: u64 = 0x3fff_ffff;
/// utimensat(2): leave this time as it is.
pub const UTIME_OMIT: u64 = 0x3fff_fffe;

/// A device number from its parts, as makedev(3) packs them.
pub const fn make_device(major: u32, minor: u32) -> u64 {
    ((major as u64 & 0xffff_f000) << 32)
        | ((major as u64 & 0xfff) << 8)
        | ((minor as u64 & 0xffff_ff00) << 12)
        | (minor as u64 & 0xff)
}

/// The major number of a device.
pub const fn device_major(device: u64) -> u32 {
    (((device >> 32) & 0xffff_f000) | ((device >> 8) & 0xfff)) as u32
}

/// The minor number of a device.
pub const fn device_minor(device: u64) -> u32 {
    (((device >> 12) & 0xffff_ff00) | (device & 0xff)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_arm64() {
        assert_eq!(size_of::<Stat>(), 128);
        assert_eq!(size_of::<Statx>(), 256);
        assert_eq!(size_of::<Statfs>(), 120);
    }

    #[test]
    fn device_numbers_round_trip() {
        for (major, minor) in [(1, 3), (136, 0), (5, 2), (4095, 255), (0x12345, 0x6789a)] {
            let device = make_device(major, minor);
            assert_eq!((device_major(device), device_minor(device)), (major, minor));
        }
    }
}
