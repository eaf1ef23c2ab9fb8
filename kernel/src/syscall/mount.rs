//! mount(2), umount2(2).

use super::Call;
use crate::fs;
use crate::fs::kinds::Kind;
use crate::process::vfs::namespace;
use crate::user_memory::{read_path, read_string};
use alloc::string::String;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::PathContext;
use paddock_vfs::path::{MountFlags, Unmount};

/// The most bytes of a filesystem's options: a page.
const OPTIONS: usize = 4096;
const MS_REMOUNT: u64 = 0x20;
const MS_BIND: u64 = 0x1000;
const MS_MOVE: u64 = 0x2000;
const MS_REC: u64 = 0x4000;
const MS_UNBINDABLE: u64 = 1 << 17;
const MS_PRIVATE: u64 = 1 << 18;
const MS_SLAVE: u64 = 1 << 19;
const MS_SHARED: u64 = 1 << 20;
/// Those of what is in memory, where all writes are where they are to be at once.
const MS_SYNCHRONOUS: u64 = 0x10;
const MS_DIRSYNC: u64 = 0x80;
/// What old programs have in the upper half, and that.
const MS_MGC_VAL: u64 = 0xc0ed_0000;
const MS_MGC_MASK: u64 = 0xffff_0000;
/// What tells other mounts of what is mounted: none does.
const MS_PROPAGATION: u64 = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED;
/// Flags that change nothing here: silent, when accesses are noted and times written,
/// locks that keep others from reading, which no Linux has any more, access lists.
const MS_IGNORED: u64 = 0x8000
    | (1 << 6)
    | (1 << 10)
    | (1 << 11)
    | (1 << 16)
    | (1 << 21)
    | (1 << 23)
    | (1 << 24)
    | (1 << 25);
/// Flags by which mount(2) does something else than mounting.
const MS_OTHER: u64 = MS_REMOUNT | MS_BIND | MS_MOVE | MS_PROPAGATION;

/// mount(2): bind mounts, filesystems in memory, ext4, ext3 and ext2 of loop devices, those
/// that are programs (`fuse`), and those of the kernel's own: devpts, devtmpfs, proc, sysfs and
/// cgroup2, each of which there is one. `ENODEV` for other kinds: other disks are mounted
/// by the kernel itself, and are not remounted such that all is written at once
/// (`EINVAL`). All mounts are private.
pub fn mount(call: &mut Call<'_>) -> Result<u64> {
    let target = call.path(1)?;
    let context = call.context();
    let bits = match call.word(3) {
        bits if bits & MS_MGC_MASK == MS_MGC_VAL => bits & !MS_MGC_MASK,
        bits => bits,
    };
    let bits = bits & !MS_IGNORED;
    namespace().may_mount(&context)?;
    if bits & MS_OTHER != 0 {
        return change_mounts(call, &context, &target, bits);
    }
    let bits = bits & !(MS_REC | MS_SYNCHRONOUS | MS_DIRSYNC);
    if call.word(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let kind = read_string(call.word(2), 256, Errno::EINVAL)?;
    let options = options(call)?;
    let options = str::from_utf8(&options).map_err(|_| Errno::EINVAL)?;
    let flags = MountFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
    let kind = Kind::from_full_name(&kind)?;
    let source = match call.word(0) {
        0 => None,
        text => Some(read_path(text)?),
    };
    let fs = match kind.0.on_disk() {
        None => fs::mounts::of_kind(kind, options, &context, flags)?,
        Some(on_disk) => {
            fs::mounts::check_rights(kind.0, &context.cred)?;
            let read_only = flags.contains(MountFlags::RDONLY);
            fs::mounts::of_device(on_disk, &context, source.as_deref(), options, read_only)?
        }
    };
    let name = match &source {
        None => fs.kind().into(),
        Some(text) => String::from_utf8_lossy(text).into_owned(),
    };
    let mounted = namespace().mount(&context, &target, fs.clone(), &name, flags);
    mounted.inspect_err(|_| fs::mounts::give_up(&fs))?;
    Ok(0)
}

/// The filesystem's own options, as bytes.
fn options(call: &Call<'_>) -> Result<Vec<u8>> {
    match call.word(4) {
        0 => Ok(Vec::new()),
        text => read_string(text, OPTIONS, Errno::EINVAL),
    }
}

/// `MS_REMOUNT` without `MS_BIND`: the filesystem changes, and the flags of this mount.
fn remount(call: &Call<'_>, context: &PathContext, target: &[u8], flags: MountFlags) -> Result<()> {
    let options = options(call)?;
    let options = str::from_utf8(&options).map_err(|_| Errno::EINVAL)?;
    let read_only = Some(flags.contains(MountFlags::RDONLY));
    let change = fs::mounts::reconfiguration(options, &context.cred, read_only);
    namespace().remount(context, target, flags, &change)
}

/// The kinds of mount(2) that mount no filesystem.
fn change_mounts(call: &Call<'_>, context: &PathContext, target: &[u8], bits: u64) -> Result<u64> {
    let recursive = bits & MS_REC != 0;
    let flags = MountFlags::from_bits(bits & !MS_OTHER & !MS_REC);
    if bits & (MS_REMOUNT | MS_BIND) == MS_REMOUNT | MS_BIND {
        namespace().set_mount_flags(context, target, flags.ok_or(Errno::EINVAL)?)?;
    } else if bits & MS_REMOUNT != 0 {
        remount(call, context, target, flags.ok_or(Errno::EINVAL)?)?;
    } else if bits & MS_BIND != 0 {
        let source = read_path(call.word(0))?;
        // They are for a remount, and the copy's are those of what is bound.
        namespace().bind(context, &source, target, recursive)?;
    } else if bits & MS_PROPAGATION != 0 {
        let one = (bits & MS_PROPAGATION).is_power_of_two();
        if !one || bits & MS_MOVE != 0 || bits & (MS_SHARED | MS_UNBINDABLE) != 0 {
            return Err(Errno::EINVAL);
        }
        namespace().make_private(context, target)?;
    } else {
        let source = read_path(call.word(0))?;
        namespace().move_mount(context, &source, target)?;
    }
    Ok(0)
}

/// umount2(2).
pub fn umount2(call: &mut Call<'_>) -> Result<u64> {
    let how = Unmount::from_bits(call.uint(1)).ok_or(Errno::EINVAL)?;
    if how.contains(Unmount::EXPIRE) && how.intersects(Unmount::FORCE | Unmount::DETACH) {
        return Err(Errno::EINVAL);
    }
    let path = call.path(0)?;
    let context = call.context();
    namespace().may_mount(&context)?;
    namespace().unmount(&context, &path, how)?;
    Ok(0)
}
