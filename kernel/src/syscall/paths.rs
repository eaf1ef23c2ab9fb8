//! Names in the tree of files: openat(2), mkdirat(2), unlinkat(2),
//! renameat2(2), linkat(2), and the changes of what has a name.

use super::Call;
use crate::process::shared_places;
use crate::process::vfs::namespace;
use crate::time;
use crate::user_memory::{UserPtr, check_unknown};
use alloc::sync::Arc;
use paddock_abi::fcntl::*;
use paddock_abi::stat::{UTIME_NOW, UTIME_OMIT};
use paddock_abi::time::{NANOS, Timespec};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_mem::PAGE_SIZE;
use paddock_process::FifoEnd;
use paddock_sync::{NO_DEADLINE, Pollable, WaitError};
use paddock_vfs::path::{Restrict, SetTime};
use paddock_vfs::{FileKind, OpenFile, OpenFlags, Path, PathContext, Timestamp, notify};

/// openat(2).
pub fn openat(call: &mut Call<'_>) -> Result<u64> {
    let flags = OpenFlags::from_bits_truncate(call.uint(2));
    let path = call.path(1)?;
    let context = call.context_at(0, &path)?;
    open(call, (&context, &path), flags, call.uint(3))
}

fn open(
    call: &Call<'_>,
    (context, path): (&PathContext, &[u8]),
    flags: OpenFlags,
    mode: u32,
) -> Result<u64> {
    opened(call, flags, || namespace().open(context, path, flags, mode))
}

/// Gives what is opened a descriptor. Errors of `open`, `EMFILE`, `EINTR`.
pub fn opened(
    call: &Call<'_>,
    flags: OpenFlags,
    open: impl FnOnce() -> Result<Arc<OpenFile>>,
) -> Result<u64> {
    // Without room for one, nothing is made and nothing cut.
    call.files().lock().check_room(call.descriptor_limit())?;
    let file = open()?;
    if !file.is_regular() {
        wait_for_partner(&file, flags)?;
    }
    Ok(call.install(file, flags)? as u64)
}

/// Opening a fifo waits until somebody opens the other end.
fn wait_for_partner(file: &Arc<OpenFile>, flags: OpenFlags) -> Result<()> {
    let Some(end) = file.file().as_any().downcast_ref::<FifoEnd>() else {
        return Ok(());
    };
    if flags.contains(OpenFlags::NONBLOCK) || end.partner_came() {
        return Ok(());
    }
    let queue = end.wait_queue().ok_or(Errno::ENXIO)?;
    let came = || end.partner_came().then_some(());
    queue
        .wait_interruptible(NO_DEADLINE, came)
        .map_err(|error| match error {
            WaitError::Interrupted | WaitError::TimedOut => Errno::ERESTARTSYS,
        })
}

/// `RESOLVE_CACHED`: what is in the cache is not told apart, so it is never all there.
const RESOLVE_CACHED: u64 = 0x20;

/// openat2(2): `EAGAIN` for `RESOLVE_CACHED`, after which programs ask without it.
pub fn openat2(call: &mut Call<'_>) -> Result<u64> {
    let size = call.word(3);
    if size < HOW_SIZE {
        return Err(Errno::EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    check_unknown(call.word(2), HOW_SIZE, size)?;
    let [flags, mode, resolve] = call.pointer::<[u64; 3]>(2).read()?;
    let flags = u32::try_from(flags).ok().and_then(OpenFlags::from_bits);
    let restrict = u8::try_from(resolve & !RESOLVE_CACHED);
    let restrict = restrict.ok().and_then(Restrict::from_bits);
    let (Some(flags), Some(restrict)) = (flags, restrict) else {
        return Err(Errno::EINVAL);
    };
    if flags.contains(OpenFlags::PATH) && !OF_PLACES.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let both = restrict.contains(Restrict::BENEATH | Restrict::IN_ROOT);
    if both || mode > 0o7777 || mode != 0 && !makes(flags) {
        return Err(Errno::EINVAL);
    }
    if resolve & RESOLVE_CACHED != 0 {
        return Err(Errno::EAGAIN);
    }
    let path = call.path(1)?;
    let mut context = call.context_at(0, &path)?;
    if !restrict.is_empty() {
        // The directory counts for absolute paths, too.
        let base = call.context_at(0, b"")?.base;
        context = context.restricted(base, restrict);
    }
    open(call, (&context, &path), flags, mode as u32)
}

/// The flags that go with `O_PATH`, and it.
const OF_PLACES: OpenFlags = OpenFlags::PATH
    .union(OpenFlags::DIRECTORY)
    .union(OpenFlags::NOFOLLOW)
    .union(OpenFlags::CLOEXEC);

/// Bytes of `struct open_how`, the only version.
const HOW_SIZE: u64 = 24;

/// Whether a file is made, for which there is a mode.
fn makes(flags: OpenFlags) -> bool {
    flags.contains(OpenFlags::CREAT) || flags.contains(OpenFlags::TMPFILE)
}

/// mkdirat(2).
pub fn mkdirat(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(1)?;
    namespace().mkdir(&call.context_at(0, &path)?, &path, call.uint(2))?;
    Ok(0)
}

/// mknodat(2).
pub fn mknodat(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(1)?;
    let mode = call.uint(2);
    let kind = match mode & paddock_abi::stat::S_IFMT {
        0 => FileKind::Regular,
        paddock_abi::stat::S_IFLNK => return Err(Errno::EINVAL),
        _ => FileKind::from_mode(mode)?,
    };
    let context = call.context_at(0, &path)?;
    namespace().mknod(
        &context,
        &path,
        kind,
        mode & 0o7777,
        u64::from(call.uint(3)),
    )?;
    Ok(0)
}

/// unlinkat(2).
pub fn unlinkat(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(1)?;
    let context = call.context_at(0, &path)?;
    match call.uint(2) {
        0 => namespace().unlink(&context, &path)?,
        AT_REMOVEDIR => namespace().rmdir(&context, &path)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// renameat2(2).
pub fn renameat2(call: &mut Call<'_>) -> Result<u64> {
    rename(call, call.uint(4))
}

/// renameat(2).
pub fn renameat(call: &mut Call<'_>) -> Result<u64> {
    rename(call, 0)
}

fn rename(call: &Call<'_>, flags: u32) -> Result<u64> {
    let (old, new) = (call.path(1)?, call.path(3)?);
    let (from, to) = (call.context_at(0, &old)?, call.context_at(2, &new)?);
    namespace().rename(&from, &old, &to, &new, flags)?;
    Ok(0)
}

/// linkat(2).
pub fn linkat(call: &mut Call<'_>) -> Result<u64> {
    let (old, new) = (call.path(1)?, call.path(3)?);
    let flags = call.uint(4);
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    // Naming what a descriptor refers to gets round the directories to it.
    if flags & AT_EMPTY_PATH != 0 && !call.capable(Cap::CAP_DAC_READ_SEARCH) {
        return Err(Errno::ENOENT);
    }
    let at = place(
        call,
        0,
        &old,
        flags & AT_EMPTY_PATH,
        flags & AT_SYMLINK_FOLLOW != 0,
    )?;
    namespace().link(&at, &call.context_at(2, &new)?, &new)?;
    Ok(0)
}

/// symlinkat(2).
pub fn symlinkat(call: &mut Call<'_>) -> Result<u64> {
    let (target, path) = (call.path(0)?, call.path(2)?);
    namespace().symlink(&call.context_at(1, &path)?, &target, &path)?;
    Ok(0)
}

/// readlinkat(2).
pub fn readlinkat(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(1)?;
    let size = usize::try_from(call.int(3)).map_err(|_| Errno::EINVAL)?;
    if size == 0 {
        return Err(Errno::EINVAL);
    }
    let at = place(call, 0, &path, AT_EMPTY_PATH, false)?;
    let target = at.inode().readlink().map_err(|error| match error {
        // The descriptor itself, which has no name, is no link.
        Errno::EINVAL if path.is_empty() => Errno::ENOENT,
        error => error,
    })?;
    let count = target.len().min(size);
    crate::arch::user_access::copy_to_user(call.word(2), &target[..count])?;
    Ok(count as u64)
}

/// The place that a descriptor and a path name: the descriptor's own for an
/// empty path, if `flags` say so.
pub fn place(call: &Call<'_>, index: usize, path: &[u8], flags: u32, follow: bool) -> Result<Path> {
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        if call.int(index) == AT_FDCWD {
            return Ok(call.context().base);
        }
        return call.file(index)?.path().cloned().ok_or(Errno::ENOENT);
    }
    // Before anybody looks at the descriptor.
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    namespace().resolve(&call.context_at(index, path)?, path, follow)
}

/// fchmodat(2), whose system call has no flags.
pub fn fchmodat(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(1)?;
    let context = call.context_at(0, &path)?;
    let at = namespace().resolve(&context, &path, true)?;
    namespace().chmod(&context, &at, call.uint(2) & 0o7777)?;
    Ok(0)
}

/// fchmod(2).
pub fn fchmod(call: &mut Call<'_>) -> Result<u64> {
    let file = call.usable_file(0)?;
    let at = file.path().ok_or(Errno::EINVAL)?;
    namespace().chmod(&call.context(), at, call.uint(1) & 0o7777)?;
    Ok(0)
}

/// An owner: -1 leaves it as it is.
fn owner(value: u32) -> Option<u32> {
    (value != u32::MAX).then_some(value)
}

/// fchownat(2).
pub fn fchownat(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(1)?;
    let flags = call.uint(4);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let at = place(call, 0, &path, flags, flags & AT_SYMLINK_NOFOLLOW == 0)?;
    namespace().chown(
        &call.context(),
        &at,
        owner(call.uint(2)),
        owner(call.uint(3)),
    )?;
    Ok(0)
}

/// fchown(2).
pub fn fchown(call: &mut Call<'_>) -> Result<u64> {
    let file = call.usable_file(0)?;
    let at = file.path().ok_or(Errno::EINVAL)?;
    namespace().chown(
        &call.context(),
        at,
        owner(call.uint(1)),
        owner(call.uint(2)),
    )?;
    Ok(0)
}

/// The wall clock, as file times have it.
pub fn timestamp() -> Timestamp {
    let wall = time::wall();
    Timestamp {
        seconds: (wall / NANOS) as i64,
        nanos: (wall % NANOS) as u32,
    }
}

fn set_time(time: Timespec) -> Result<SetTime> {
    match time.tv_nsec as u64 {
        UTIME_NOW => Ok(SetTime::Now(timestamp())),
        UTIME_OMIT => Ok(SetTime::Omit),
        nanos if nanos < NANOS => Ok(SetTime::At(Timestamp {
            seconds: time.tv_sec,
            nanos: nanos as u32,
        })),
        _ => Err(Errno::EINVAL),
    }
}

/// utimensat(2).
pub fn utimensat(call: &mut Call<'_>) -> Result<u64> {
    let times = match call.pointer::<[Timespec; 2]>(2).non_null() {
        Some(times) => times.read()?,
        None => {
            [Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW as i64,
            }; 2]
        }
    };
    if times.iter().all(|time| time.tv_nsec == UTIME_OMIT as i64) {
        return Ok(0);
    }
    let flags = call.uint(3);
    let path = UserPtr::<u8>::new(call.word(1)).non_null();
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 || path.is_none() && flags != 0 {
        return Err(Errno::EINVAL);
    }
    let (access, change) = (set_time(times[0])?, set_time(times[1])?);
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    let at = match path {
        // Without a path the descriptor itself is meant.
        None if call.int(0) == AT_FDCWD => return Err(Errno::EFAULT),
        None => {
            call.usable_file(0)?;
            place(call, 0, b"", AT_EMPTY_PATH, follow)?
        }
        Some(_) => place(call, 0, &call.path(1)?, flags, follow)?,
    };
    namespace().set_times(&call.context(), &at, access, change)?;
    Ok(0)
}

fn change_directory(call: &Call<'_>, at: Path) -> Result<u64> {
    if !at.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    namespace().ask_access(&call.context(), &at, paddock_vfs::Access::EXECUTE)?;
    shared_places::change(call.process(), &|paths| paths.base = at.clone());
    notify::settle();
    Ok(0)
}

/// chdir(2).
pub fn chdir(call: &mut Call<'_>) -> Result<u64> {
    let path = call.path(0)?;
    let at = namespace().resolve(&call.context(), &path, true)?;
    change_directory(call, at)
}

/// fchdir(2).
pub fn fchdir(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let at = file.path().cloned().ok_or(Errno::ENOTDIR)?;
    change_directory(call, at)
}

/// chroot(2).
pub fn chroot(call: &mut Call<'_>) -> Result<u64> {
    let (context, path) = (call.context(), call.path(0)?);
    let at = namespace().resolve(&context, &path, true)?;
    if !at.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    namespace().ask_access(&context, &at, paddock_vfs::Access::EXECUTE)?;
    call.thread
        .with_cred(|cred| cred.require_here(Cap::CAP_SYS_CHROOT))?;
    shared_places::change(call.process(), &|paths| paths.root = at.clone());
    Ok(0)
}

/// umask(2).
pub fn umask(call: &mut Call<'_>) -> Result<u64> {
    let new = call.uint(0) & 0o777;
    let old = call.process().paths.lock().umask;
    shared_places::change(call.process(), &|paths| paths.umask = new);
    Ok(u64::from(old))
}
