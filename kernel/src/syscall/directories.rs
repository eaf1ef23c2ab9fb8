//! Directories and mounts: getdents64(2), getcwd(2), mount(2).

use super::Call;
use crate::arch::user_access::copy_to_user;
use crate::fs;
use crate::process::vfs::namespace;
use crate::user_memory::{read_path, read_string};
use alloc::string::String;
use alloc::vec::Vec;
use paddock_abi::dirent::put_dirent64;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_vfs::DirEntry;
use paddock_vfs::path::{MountFlags, Unmount};

/// The most bytes of entries that one call gives.
const MAX_ENTRIES: u64 = 32768;

/// getdents64(2).
pub fn getdents64(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let size = call.word(2).min(MAX_ENTRIES) as usize;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(size, 0);
    let mut used = 0;
    let mut refused = false;
    file.readdir(&mut |entry: &DirEntry<'_>| {
        let kind = entry.kind.dirent_type();
        let written = put_dirent64(&mut buffer[used..], entry.ino, entry.next, kind, entry.name);
        used += written.unwrap_or(0);
        refused |= written.is_none();
        written.is_some()
    })?;
    if used == 0 && refused {
        return Err(Errno::EINVAL);
    }
    copy_to_user(call.word(1), &buffer[..used])?;
    Ok(used as u64)
}

/// getcwd(2): the length, with the zero byte.
pub fn getcwd(call: &mut Call<'_>) -> Result<u64> {
    let context = call.context();
    if context.base.is_removed() {
        return Err(Errno::ENOENT);
    }
    let mut path = namespace().path_of(&context.base, &context.root)?;
    path.push(0);
    if path.len() as u64 > call.word(1) {
        return Err(Errno::ERANGE);
    }
    copy_to_user(call.word(0), &path)?;
    Ok(path.len() as u64)
}

/// The most bytes of a filesystem's options: a page.
const OPTIONS: usize = 4096;
const MS_REMOUNT: u64 = 0x20;
const MS_BIND: u64 = 0x1000;
/// Flags that change nothing here: silent, recursive, private and the like.
const MS_IGNORED: u64 = 0x8000 | 0x4000 | (1 << 18) | (1 << 21) | (1 << 10);

/// mount(2): bind mounts, filesystems in memory, and those of the kernel's own: devpts,
/// devtmpfs, proc, sysfs and cgroup2, each of which there is one. `ENODEV` for other
/// kinds: disks are mounted by the kernel itself.
pub fn mount(call: &mut Call<'_>) -> Result<u64> {
    let target = call.path(1)?;
    let context = call.context();
    let bits = call.word(3) & !MS_IGNORED;
    if bits & MS_BIND != 0 && bits & MS_REMOUNT == 0 {
        let flags = MountFlags::from_bits(bits & !MS_BIND).ok_or(Errno::EINVAL)?;
        let source = read_path(call.word(0))?;
        namespace().bind(&context, &source, &target, flags)?;
        return Ok(0);
    }
    context.cred.require(Cap::CAP_SYS_ADMIN)?;
    if bits & MS_REMOUNT != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let kind = read_string(call.word(2), 256, Errno::EINVAL)?;
    let options = match call.word(4) {
        0 => Vec::new(),
        text => read_string(text, OPTIONS, Errno::EINVAL)?,
    };
    let options = str::from_utf8(&options).map_err(|_| Errno::EINVAL)?;
    let flags = MountFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
    let owner = (context.cred.uid.fs, context.cred.gid.fs);
    let fs = fs::mounts::of_kind(&kind, options, owner)?;
    let source = match call.word(0) {
        0 => fs.kind().into(),
        text => String::from_utf8_lossy(&read_path(text)?).into_owned(),
    };
    namespace().mount(&context, &target, fs, &source, flags)?;
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
    context.cred.require(Cap::CAP_SYS_ADMIN)?;
    namespace().unmount(&context, &path, how)?;
    Ok(0)
}
