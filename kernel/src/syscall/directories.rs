//! Directories and mounts: getdents64(2), getcwd(2), mount(2).

use super::Call;
use super::buffers::UserBuffers;
use crate::arch::user_access::copy_to_user;
use crate::fs;
use crate::process::vfs::namespace;
use crate::user_memory::{read_path, read_string};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use paddock_abi::dirent::put_dirent64;
use paddock_abi::{Errno, Result};
use paddock_vfs::path::{MountFlags, Unmount};
use paddock_vfs::{DirEntry, OpenFile, PathContext};

/// The most bytes of entries that one call gives.
const MAX_ENTRIES: u64 = 32768;

/// getdents64(2).
pub fn getdents64(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    // A folder that is removed has no names, not even its own.
    if file
        .path()
        .is_some_and(|path| path.is_dir() && path.is_removed())
    {
        return Err(Errno::ENOENT);
    }
    let size = call.word(2).min(MAX_ENTRIES) as usize;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(size, 0);
    let used = match give_entries(&file, call.word(1), &mut buffer) {
        // Those that go where there is memory.
        Err((Errno::EFAULT, good)) if good > 0 => {
            give_entries(&file, call.word(1), &mut buffer[..good]).map_err(|_| Errno::EFAULT)
        }
        result => result.map_err(|(error, _)| error),
    };
    used.map(|used| used as u64)
}

/// Entries on their way to a program.
struct Entries<'a> {
    buffer: &'a mut [u8],
    used: usize,
    /// One did not fit.
    refused: bool,
}

/// Gives the next entries that fit in `buffer`, and through it to `place`; their bytes.
/// `EINVAL` if the first does not fit; `EFAULT`, with the bytes there is memory for:
/// then none is taken.
fn give_entries(
    file: &OpenFile,
    place: u64,
    buffer: &mut [u8],
) -> core::result::Result<usize, (Errno, usize)> {
    let entries = RefCell::new(Entries {
        buffer,
        used: 0,
        refused: false,
    });
    let mut good = 0;
    let mut emit = |entry: &DirEntry<'_>| {
        let entries = &mut *entries.borrow_mut();
        let room = &mut entries.buffer[entries.used..];
        let kind = entry.kind.dirent_type();
        let written = put_dirent64(room, entry.ino, entry.next, kind, entry.name);
        entries.used += written.unwrap_or(0);
        entries.refused |= written.is_none();
        written.is_some()
    };
    let give = || {
        let entries = entries.borrow();
        let bytes = &entries.buffer[..entries.used];
        match (bytes.is_empty(), entries.refused) {
            (true, true) => return Err(Errno::EINVAL),
            (true, false) => return Ok(()),
            _ => {}
        }
        let place = UserBuffers::single(place, bytes.len() as u64);
        good = place.writer().copy_out(bytes)?;
        match good == bytes.len() {
            true => Ok(()),
            false => Err(Errno::EFAULT),
        }
    };
    let given = file.readdir_into(&mut emit, give);
    given.map_err(|error| (error, good))?;
    let used = entries.borrow().used;
    Ok(used)
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
const MS_MOVE: u64 = 0x2000;
const MS_REC: u64 = 0x4000;
const MS_UNBINDABLE: u64 = 1 << 17;
const MS_PRIVATE: u64 = 1 << 18;
const MS_SLAVE: u64 = 1 << 19;
const MS_SHARED: u64 = 1 << 20;
/// What old programs have in the upper half, and that.
const MS_MGC_VAL: u64 = 0xc0ed_0000;
const MS_MGC_MASK: u64 = 0xffff_0000;
/// What tells other mounts of what is mounted: none does.
const MS_PROPAGATION: u64 = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED;
/// Flags that change nothing here: silent, and when accesses are noted.
const MS_IGNORED: u64 = 0x8000 | (1 << 21) | (1 << 10) | (1 << 11) | (1 << 24);
/// Flags by which mount(2) does something else than mounting.
const MS_OTHER: u64 = MS_REMOUNT | MS_BIND | MS_MOVE | MS_PROPAGATION;

/// mount(2): bind mounts, filesystems in memory, and those of the kernel's own: devpts,
/// devtmpfs, proc, sysfs and cgroup2, each of which there is one. `ENODEV` for other
/// kinds: disks are mounted by the kernel itself. All mounts are private.
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
    let bits = bits & !MS_REC;
    if call.word(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let kind = read_string(call.word(2), 256, Errno::EINVAL)?;
    let options = match call.word(4) {
        0 => Vec::new(),
        text => read_string(text, OPTIONS, Errno::EINVAL)?,
    };
    let options = str::from_utf8(&options).map_err(|_| Errno::EINVAL)?;
    let flags = MountFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
    let fs = fs::mounts::of_kind(&kind, options, &context, flags)?;
    let source = match call.word(0) {
        0 => fs.kind().into(),
        text => String::from_utf8_lossy(&read_path(text)?).into_owned(),
    };
    namespace().mount(&context, &target, fs, &source, flags)?;
    Ok(0)
}

/// The kinds of mount(2) that mount no filesystem.
fn change_mounts(call: &Call<'_>, context: &PathContext, target: &[u8], bits: u64) -> Result<u64> {
    let recursive = bits & MS_REC != 0;
    let flags = MountFlags::from_bits(bits & !MS_OTHER & !MS_REC);
    if bits & (MS_REMOUNT | MS_BIND) == MS_REMOUNT | MS_BIND {
        namespace().set_mount_flags(context, target, flags.ok_or(Errno::EINVAL)?)?;
    } else if bits & MS_REMOUNT != 0 {
        return Err(Errno::EOPNOTSUPP);
    } else if bits & MS_BIND != 0 {
        let source = read_path(call.word(0))?;
        // They are for a remount, and the copy's are those of what is bound.
        namespace().bind(context, &source, target, MountFlags::empty(), recursive)?;
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
