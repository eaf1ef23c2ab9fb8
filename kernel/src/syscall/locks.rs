//! Advisory locks on files: flock(2), and fcntl(2)'s `F_SETLK` and
//! `F_OFD_SETLK`.
//!
//! A lock whose owner is gone (the process without threads, the open file
//! without descriptors) counts for nothing. All who wait for a lock wait in
//! one place, where every change is announced, and the end of owners too.

use super::Call;
use crate::process::Process;
use crate::user_memory::UserPtr;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use paddock_abi::fcntl::{F_GETLK, F_SETLKW, SEEK_CUR, SEEK_END, SEEK_SET};
use paddock_abi::{Errno, Result};
use paddock_process::locks::{Bytes, Lock, RangeLocks};
use paddock_sync::{NO_DEADLINE, PreemptOff, Rank, SpinLock, WaitQueue};
use paddock_vfs::OpenFile;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Who holds a lock: a process, or an open file that a process locked.
#[derive(Clone)]
struct Owner {
    process: Weak<Process>,
    pid: u32,
    file: Option<Weak<OpenFile>>,
}

impl PartialEq for Owner {
    fn eq(&self, other: &Owner) -> bool {
        match (&self.file, &other.file) {
            (None, None) => self.process.ptr_eq(&other.process),
            (Some(own), Some(others)) => own.ptr_eq(others),
            _ => false,
        }
    }
}

impl Owner {
    fn process(call: &Call<'_>) -> Owner {
        let process = Arc::downgrade(call.process());
        Owner {
            process,
            pid: call.process().pid,
            file: None,
        }
    }

    fn file(call: &Call<'_>, file: &Arc<OpenFile>) -> Owner {
        Owner {
            file: Some(Arc::downgrade(file)),
            ..Owner::process(call)
        }
    }

    /// Whether it can still hold a lock. The process goes to `seen`, to be
    /// let go of outside all locks: it may be the last share of it.
    fn is_alive(&self, seen: &mut Vec<Arc<Process>>) -> bool {
        if let Some(file) = &self.file {
            return file.strong_count() > 0;
        }
        let Some(process) = self.process.upgrade() else {
            return false;
        };
        let alive = !process.threads.lock().is_empty();
        seen.push(process);
        alive
    }
}

/// The locks on one file: of fcntl(2), and of flock(2), which do not see each
/// other.
struct FileLocks {
    device: u64,
    ino: u64,
    ranges: RangeLocks<Owner>,
    whole: RangeLocks<Owner>,
}

static TABLE: SpinLock<Vec<FileLocks>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());
/// Entries of the table, so that closing files is cheap without any.
static LOCKED: AtomicUsize = AtomicUsize::new(0);

/// Where all wait who wait for a lock.
static CHANGED: WaitQueue = WaitQueue::new();

const ALL: Bytes = 0..=u64::MAX;

/// Which of a file's two kinds of lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ranges,
    Whole,
}

/// Calls `body` with the locks of a file. Nothing in it sleeps. `ENOMEM`.
fn with_locks<T>(
    file: (u64, u64),
    kind: Kind,
    body: impl FnOnce(&mut RangeLocks<Owner>) -> Result<T>,
) -> Result<T> {
    let mut seen = Vec::new();
    let mut table = TABLE.lock();
    let known = table
        .iter()
        .position(|locks| (locks.device, locks.ino) == file);
    let index = match known {
        Some(index) => index,
        None => {
            table.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            let (ranges, whole) = (RangeLocks::default(), RangeLocks::default());
            table.push(FileLocks {
                device: file.0,
                ino: file.1,
                ranges,
                whole,
            });
            table.len() - 1
        }
    };
    let entry = &mut table[index];
    let locks = match kind {
        Kind::Ranges => &mut entry.ranges,
        Kind::Whole => &mut entry.whole,
    };
    seen.try_reserve(locks.len()).map_err(|_| Errno::ENOMEM)?;
    locks.retain(|owner| owner.is_alive(&mut seen));
    let result = body(locks);
    if entry.ranges.is_empty() && entry.whole.is_empty() {
        table.swap_remove(index);
    }
    LOCKED.store(table.len(), Ordering::Relaxed);
    result
}

fn place_of(file: &OpenFile) -> Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.device, metadata.ino))
}

/// Sets or clears a lock, waiting for those in the way if `wait`.
///
/// # Errors
/// `EAGAIN`, `ERESTARTSYS`, `ENOMEM`.
fn set(
    file: (u64, u64),
    kind: Kind,
    owner: &Owner,
    bytes: &Bytes,
    lock: Option<bool>,
    wait: bool,
) -> Result<()> {
    loop {
        let result = with_locks(file, kind, |locks| locks.set(owner, bytes, lock));
        if result != Err(Errno::EAGAIN) || !wait {
            CHANGED.wake_all();
            return result;
        }
        let free = || {
            let exclusive = lock.unwrap_or(false);
            let blocked = with_locks(file, kind, |locks| {
                Ok(locks.conflict(owner, bytes, exclusive).is_some())
            });
            (blocked != Ok(true)).then_some(())
        };
        let waited = CHANGED.wait_interruptible(NO_DEADLINE, free);
        waited.map_err(|_| Errno::ERESTARTSYS)?;
    }
}

/// Sets or clears a lock of an open file, unless another thread has closed
/// its last descriptor meanwhile. Errors as for [`set`].
fn set_of_file(
    file: &Arc<OpenFile>,
    kind: Kind,
    owner: &Owner,
    bytes: &Bytes,
    lock: Option<bool>,
    wait: bool,
) -> Result<()> {
    set(place_of(file)?, kind, owner, bytes, lock, wait)?;
    if owner.file.is_some() && !file.has_descriptors() {
        closed(file);
    }
    Ok(())
}

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
    let owner = Owner::file(call, &file);
    let wait = operation & LOCK_NB == 0;
    set_of_file(&file, Kind::Whole, &owner, &ALL, lock, wait)?;
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
    let bytes = bytes_of(file, &flock)?;
    let owner = match command {
        F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => Owner::file(call, file),
        _ => Owner::process(call),
    };
    let lock = match flock.kind {
        F_RDLCK => Some(false),
        F_WRLCK => Some(true),
        F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    if matches!(command, F_GETLK | F_OFD_GETLK) {
        let exclusive = lock.ok_or(Errno::EINVAL)?;
        let found = with_locks(place_of(file)?, Kind::Ranges, |locks| {
            Ok(locks.conflict(&owner, &bytes, exclusive).cloned())
        })?;
        describe(&mut flock, found);
        return place.write(&flock).map(|()| 0);
    }
    let open = file.flags();
    if lock == Some(false) && !open.readable() || lock == Some(true) && !open.writable() {
        return Err(Errno::EBADF);
    }
    let wait = matches!(command, F_SETLKW | F_OFD_SETLKW);
    set_of_file(file, Kind::Ranges, &owner, &bytes, lock, wait)?;
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
    flock.pid = if lock.owner.file.is_some() {
        -1
    } else {
        lock.owner.pid as i32
    };
}

/// The process closes a descriptor: its locks of fcntl(2) on that file go,
/// whichever descriptor they were made with.
pub fn closing(process: &Arc<Process>, file: &Arc<OpenFile>) {
    let closer = Arc::downgrade(process);
    let goes = |owner: &Owner| owner.file.is_none() && owner.process.ptr_eq(&closer);
    drop_locks(file, &[Kind::Ranges], goes);
}

/// The last descriptor of an open file has been closed: its locks go.
pub fn closed(file: &Arc<OpenFile>) {
    let closed = Arc::downgrade(file);
    let goes = |owner: &Owner| owner.file.as_ref().is_some_and(|file| file.ptr_eq(&closed));
    drop_locks(file, &[Kind::Ranges, Kind::Whole], goes);
}

fn drop_locks(file: &OpenFile, kinds: &[Kind], goes: impl Fn(&Owner) -> bool) {
    if LOCKED.load(Ordering::Relaxed) == 0 {
        return;
    }
    let Ok(place) = place_of(file) else {
        return;
    };
    for kind in kinds {
        let _ = with_locks(place, *kind, |locks| {
            locks.retain(|owner| !goes(owner));
            Ok(())
        });
    }
    CHANGED.wake_all();
}

/// A process has lost its last thread: its locks count for nothing now.
pub fn process_ended() {
    if LOCKED.load(Ordering::Relaxed) != 0 {
        CHANGED.wake_all();
    }
}
