//! What is known of files: stat(2), statx(2), statfs(2), access(2).

use super::Call;
use super::paths::place;
use crate::process::vfs::namespace;
use crate::user_memory::UserPath;
use paddock_abi::fcntl::*;
use paddock_abi::stat::*;
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;
use paddock_vfs::path::MountFlags;
use paddock_vfs::{Access, Metadata, Path, Timestamp};
use zerocopy::FromZeros;

/// fstat(2).
pub fn fstat(call: &mut Call<'_>) -> Result<u64> {
    let metadata = shown(call, call.file(0)?.metadata()?);
    call.pointer::<Stat>(1).write(&metadata.to_stat())?;
    Ok(0)
}

/// What a descriptor and a path name, for the calls of this file.
fn metadata(call: &Call<'_>, flags: u32) -> Result<Metadata> {
    found(call, flags).map(|(metadata, _)| metadata)
}

/// The same, and where it is, if it has a place in the tree.
fn found(call: &Call<'_>, flags: u32) -> Result<(Metadata, Option<Path>)> {
    const KNOWN: u32 = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | 0x6000;
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let path = match call.word(1) {
        // As newer systems have it: no path is the empty path.
        0 if flags & AT_EMPTY_PATH != 0 => UserPath::EMPTY,
        _ => call.path(1)?,
    };
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 && call.int(0) != AT_FDCWD {
        let file = call.file(0)?;
        return Ok((shown(call, file.metadata()?), file.path().cloned()));
    }
    let at = place(call, 0, &path, flags, flags & AT_SYMLINK_NOFOLLOW == 0)?;
    Ok((shown(call, at.inode().metadata()?), Some(at)))
}

/// With its owner and group as the caller's user namespace knows them.
fn shown(call: &Call<'_>, mut metadata: Metadata) -> Metadata {
    let (uid, gid) = (metadata.uid, metadata.gid);
    (metadata.uid, metadata.gid) = call.thread.with_cred(|cred| {
        let namespace = &cred.user_namespace;
        (namespace.shown_uid(uid), namespace.shown_gid(gid))
    });
    metadata
}

/// newfstatat(2).
pub fn newfstatat(call: &mut Call<'_>) -> Result<u64> {
    let metadata = metadata(call, call.uint(3))?;
    call.pointer::<Stat>(2).write(&metadata.to_stat())?;
    Ok(0)
}

/// statx(2): the basic fields and the mount, whatever is asked for, and a file's birth.
pub fn statx(call: &mut Call<'_>) -> Result<u64> {
    let both = call.uint(2) & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE;
    if both || call.uint(3) & STATX_RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    let (metadata, at) = found(call, call.uint(2))?;
    let mut all = to_statx(&metadata);
    if let Some(at) = at {
        let details = at.inode().details()?;
        (all.stx_attributes, all.stx_attributes_mask) = (details.attributes, details.known);
        if let Some(born) = details.born
            && call.uint(3) & STATX_BTIME != 0
        {
            all.stx_mask |= STATX_BTIME;
            all.stx_btime = statx_time(born);
        }
        all.stx_mask |= STATX_MNT_ID;
        all.stx_mnt_id = at.mount().number();
        all.stx_attributes_mask |= STATX_ATTR_MOUNT_ROOT;
        if at.is_mount_root() {
            all.stx_attributes |= STATX_ATTR_MOUNT_ROOT;
        }
    }
    call.pointer::<Statx>(4).write(&all)?;
    Ok(0)
}

/// How fresh a network filesystem's answer must be: at most one of the two.
const AT_STATX_SYNC_TYPE: u32 = 0x6000;
/// A bit of the mask that no field has.
const STATX_RESERVED: u32 = 0x8000_0000;

/// The field of the mount's number.
const STATX_MNT_ID: u32 = 0x1000;
/// That a file is the root of a mount.
const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;

fn to_statx(metadata: &Metadata) -> Statx {
    let mut all = Statx::new_zeroed();
    all.stx_mask = STATX_BASIC_STATS;
    all.stx_blksize = metadata.block_size;
    all.stx_nlink = metadata.links;
    all.stx_uid = metadata.uid;
    all.stx_gid = metadata.gid;
    all.stx_mode = metadata.full_mode() as u16;
    all.stx_ino = metadata.ino;
    all.stx_size = metadata.size;
    all.stx_blocks = metadata.blocks;
    all.stx_atime = statx_time(metadata.atime);
    all.stx_mtime = statx_time(metadata.mtime);
    all.stx_ctime = statx_time(metadata.ctime);
    all.stx_rdev_major = device_major(metadata.rdev);
    all.stx_rdev_minor = device_minor(metadata.rdev);
    all.stx_dev_major = device_major(metadata.device);
    all.stx_dev_minor = device_minor(metadata.device);
    all
}

fn statx_time(time: Timestamp) -> StatxTimestamp {
    StatxTimestamp {
        tv_sec: time.seconds,
        tv_nsec: time.nanos,
        reserved: 0,
    }
}

/// The flags of a place's mount (`ST_*`), whose first bits are mount(2)'s.
fn mount_flags(at: &Path) -> u64 {
    let mount = at.mount();
    let read_only = u64::from(mount.check_writable().is_err());
    let flags = mount.flags();
    let no_links = match flags.contains(MountFlags::NOSYMFOLLOW) {
        true => ST_NOSYMFOLLOW,
        false => 0,
    };
    let others = flags.difference(MountFlags::NOSYMFOLLOW);
    ST_VALID | ST_NOATIME | others.bits() | no_links | read_only
}

/// statfs(2).
pub fn statfs(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(0)?;
    let at = namespace().resolve(&call.context(), &path, true)?;
    let statfs = Statfs {
        f_flags: mount_flags(&at),
        ..at.inode().fs_stats()?.to_statfs()
    };
    call.pointer::<Statfs>(1).write(&statfs)?;
    Ok(0)
}

/// fstatfs(2).
pub fn fstatfs(call: &mut Call<'_>) -> Result<u64> {
    const PIPEFS_MAGIC: u64 = 0x5049_5045;
    const SOCKFS_MAGIC: u64 = 0x534f_434b;
    const ANON_INODE_FS_MAGIC: u64 = 0x0904_1934;
    let file = call.file(0)?;
    let mut statfs = match file.inode().or(file.path().map(|path| path.inode())) {
        Some(inode) => inode.fs_stats()?.to_statfs(),
        None => Statfs {
            f_type: match file.metadata()?.full_mode() & S_IFMT {
                S_IFIFO => PIPEFS_MAGIC,
                S_IFSOCK => SOCKFS_MAGIC,
                _ => ANON_INODE_FS_MAGIC,
            },
            f_bsize: 4096,
            f_namelen: 255,
            ..Statfs::default()
        },
    };
    statfs.f_flags = file.path().map_or(ST_VALID, mount_flags);
    call.pointer::<Statfs>(1).write(&statfs)?;
    Ok(0)
}

/// faccessat(2), whose system call has no flags.
pub fn faccessat(call: &mut Call<'_>) -> Result<u64> {
    access(call, 0)
}

/// faccessat2(2).
pub fn faccessat2(call: &mut Call<'_>) -> Result<u64> {
    access(call, call.uint(3))
}

fn access(call: &Call<'_>, flags: u32) -> Result<u64> {
    let wanted = Access::from_bits(call.uint(2)).ok_or(Errno::EINVAL)?;
    if flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = call.path(1)?;
    let at = place(call, 0, &path, flags, flags & AT_SYMLINK_NOFOLLOW == 0)?;
    if !wanted.is_empty() {
        let mut context = call.context();
        if flags & AT_EACCESS == 0 {
            context.cred = try_arc(context.cred.for_access())?;
        }
        namespace().ask_access(&context, &at, wanted)?;
    }
    Ok(0)
}
