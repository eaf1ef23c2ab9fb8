//! Advisory locks on files: flock(2), and fcntl(2)'s `F_SETLK` and
//! `F_OFD_SETLK`.

use super::Call;
use crate::process::locks::{self, Owner};
use crate::process::numbers;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use paddock_abi::fcntl::{F_GETLK, F_SETLKW, SEEK_CUR, SEEK_END, SEEK_SET};
use paddock_abi::{Errno, Result};
use paddock_process::locks::{Bytes, Kind, Lock};
use paddock_vfs::OpenFile;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const LOCK_SH: u32 = 1;
const LOCK_EX: u32 = 2;
const LOCK_NB: u32 = 4;
const LOCK_UN: u32 = 8;

/// flock(2).
pub fn flock(call: &mut Call<'_>) -> Result<u64> {
    let file = call.usable_file(0)?;
    let operation = call.uint(1);
    let lock = match operation & !LOCK_NB {
        LOCK_SH => Some(false),
        LOCK_EX => Some(true),
        LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let owner = Owner::file(&file);
    let wait = operation & LOCK_NB == 0;
    let set = |lock, wait| locks::set(&file, Kind::Whole, owner, &locks::ALL, lock, wait);
    match set(lock, false) {
        // What the file held goes before another kind is waited for.
        Err(Errno::EAGAIN) => {
            set(None, false)?;
            set(lock, wait)?;
        }
        done => done?,
    }
    Ok(0)
}

const F_RDLCK: i16 = 0;
const F_WRLCK: i16 = 1;
const F_UNLCK: i16 = 2;
/// fcntl(2): as `F_GETLK`, for the open file.
pub const F_OFD_GETLK: u32 = 36;
/// fcntl(2): as `F_SETLK`, for the open file.
pub const F_OFD_SETLK: u32 = 37;
/// fcntl(2): as `F_SETLKW`, for the open file.
pub const F_OFD_SETLKW: u32 = 38;

/// `struct flock`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Flock {
    kind: i16,
    whence: i16,
    pad: u32,
    start: i64,
    length: i64,
    pid: i32,
    pad2: u32,
}

/// The bytes that a `struct flock` means. `EINVAL`, `EOVERFLOW`.
fn bytes_of(file: &OpenFile, flock: &Flock) -> Result<Bytes> {
    let base = match flock.whence as u32 {
        SEEK_SET => 0,
        SEEK_CUR => file.seek(0, SEEK_CUR)? as i64,
        SEEK_END => file.metadata()?.size as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(flock.start).ok_or(Errno::EOVERFLOW)?;
    let (first, last) = match flock.length {
        0 => (start, i64::MAX),
        length if length > 0 => (
            start,
            start.checked_add(length - 1).ok_or(Errno::EOVERFLOW)?,
        ),
        length => (start.checked_add(length).ok_or(Errno::EINVAL)?, start - 1),
    };
    let first = u64::try_from(first).map_err(|_| Errno::EINVAL)?;
    // A lock without an end has none, however long the file becomes.
    let last = if last == i64::MAX {
        u64::MAX
    } else {
        last as u64
    };
    Ok(first..=last)
}

/// fcntl(2)'s commands about locks.
pub fn fcntl(call: &Call<'_>, file: &Arc<OpenFile>, command: u32, argument: u64) -> Result<u64> {
    let place = UserPtr::<Flock>::new(argument);
    let mut flock = place.read()?;
    let of_file = matches!(command, F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW);
    if of_file && flock.pid != 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = bytes_of(file, &flock)?;
    let owner = match of_file {
        true => Owner::file(file),
        false => Owner::process(call.process()),
    };
    let lock = match flock.kind {
        F_RDLCK => Some(false),
        F_WRLCK => Some(true),
        F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    if matches!(command, F_GETLK | F_OFD_GETLK) {
        let exclusive = lock.ok_or(Errno::EINVAL)?;
        let found = locks::conflict(file, owner, &bytes, exclusive)?;
        describe(&mut flock, found);
        return place.write(&flock).map(|()| 0);
    }
    let open = file.flags();
    if lock == Some(false) && !open.readable() || lock == Some(true) && !open.writable() {
        return Err(Errno::EBADF);
    }
    let wait = matches!(command, F_SETLKW | F_OFD_SETLKW);
    locks::set(file, Kind::Ranges, owner, &bytes, lock, wait)?;
    Ok(0)
}

/// Tells of a lock, or that there is none.
fn describe(flock: &mut Flock, found: Option<Lock<Owner>>) {
    let Some(lock) = found else {
        flock.kind = F_UNLCK;
        return;
    };
    flock.kind = if lock.exclusive { F_WRLCK } else { F_RDLCK };
    flock.whence = SEEK_SET as i16;
    flock.start = lock.start as i64;
    flock.length = if lock.end == u64::MAX {
        0
    } else {
        (lock.end - lock.start + 1) as i64
    };
    let known = |pid| numbers::known(pid).get() as i32;
    flock.pid = lock.owner.pid().map_or(-1, known);
}
