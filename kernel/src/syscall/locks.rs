//! Advisory locks on files: flock(2), and fcntl(2)'s `F_SETLK` and
//! `F_OFD_SETLK`.
//!
//! A process lets go of its locks when its last thread ends, an open file when its last
//! descriptor is closed: no owner outlives its number.

use super::Call;
use crate::process::Process;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use paddock_abi::fcntl::{F_GETLK, F_SETLKW, SEEK_CUR, SEEK_END, SEEK_SET};
use paddock_abi::{Errno, Result};
use paddock_process::locks::{Bytes, Kind, Lock, LockTable, Turn};
use paddock_sync::{NO_DEADLINE, PreemptOff, Rank, SpinLock, WaitQueue};
use paddock_vfs::{OpenFile, WriteCount};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Who holds a lock, as a number that compares fast: a process's, or above all of
/// these the address of an open file description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner(u64);

impl Owner {
    /// Above all processes' numbers, below the addresses of the kernel.
    const FIRST_FILE: u64 = 1 << 32;

    fn process(process: &Process) -> Owner {
        Owner(process.pid.into())
    }

    fn file(file: &Arc<OpenFile>) -> Owner {
        let address = Arc::as_ptr(file).addr() as u64;
        debug_assert!(address >= Self::FIRST_FILE, "no address of the kernel");
        Owner(address)
    }

    /// The process, if it is one.
    fn pid(self) -> Option<u32> {
        u32::try_from(self.0).ok()
    }

    /// Whether a wait of it is looked at for deadlocks: that of a process, as on
    /// Linux.
    fn is_checked(self) -> bool {
        self.pid().is_some()
    }
}

/// A file, by its device and inode.
type Inode = (u64, u64);

static TABLE: SpinLock<LockTable<Inode, Owner>, PreemptOff> =
    SpinLock::new(Rank::Leaf, LockTable::new());
/// Files in the table, so that closing files is cheap without any.
static LOCKED: AtomicUsize = AtomicUsize::new(0);

const ALL: Bytes = 0..=u64::MAX;

/// Calls `body` with the table. Nothing in it sleeps.
fn with_table<T>(body: impl FnOnce(&mut LockTable<Inode, Owner>) -> T) -> T {
    let mut table = TABLE.lock();
    let result = body(&mut table);
    LOCKED.store(table.files(), Ordering::Relaxed);
    result
}

fn tell(queue: Option<Arc<WaitQueue>>) {
    if let Some(queue) = queue {
        queue.wake_all();
    }
}

fn write_count(file: &OpenFile) -> Option<&WriteCount> {
    file.inode().and_then(|inode| inode.write_count())
}

fn inode_of(file: &OpenFile) -> Result<Inode> {
    let metadata = file.metadata()?;
    Ok((metadata.device, metadata.ino))
}

/// Sets or clears a lock, waiting for those in the way if `wait`.
///
/// # Errors
/// `EAGAIN`, `EDEADLK`, `ENOLCK`, `ERESTARTSYS`, `ENOMEM`.
fn set(
    place: (Inode, Kind),
    owner: Owner,
    bytes: &Bytes,
    lock: Option<bool>,
    wait: bool,
) -> Result<()> {
    loop {
        match with_table(|table| table.set(place, owner, bytes, lock)) {
            Ok(told) => {
                tell(told);
                return Ok(());
            }
            Err(Errno::EAGAIN) if wait => {
                wait_for_turn(place, owner, bytes, lock.unwrap_or(false))?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Waits until nobody is in the way of a lock.
///
/// # Errors
/// `EDEADLK`, `ERESTARTSYS`, `ENOMEM`.
fn wait_for_turn(place: (Inode, Kind), owner: Owner, bytes: &Bytes, exclusive: bool) -> Result<()> {
    let (number, changed) = with_table(|table| table.begin_wait(place.0))?;
    let wait = (owner, number);
    let checked = owner.is_checked() && place.1 == Kind::Ranges;
    let turn = || {
        let turn = with_table(|table| table.turn(place, wait, bytes, exclusive, checked));
        (turn != Turn::Blocked).then_some(turn)
    };
    let waited = changed.wait_interruptible(NO_DEADLINE, turn);
    with_table(|table| table.end_wait(place.0, wait));
    match waited {
        Ok(Turn::Deadlock) => Err(Errno::EDEADLK),
        Ok(_) => Ok(()),
        Err(_) => Err(Errno::ERESTARTSYS),
    }
}

/// Sets or clears a lock of an open file, unless another thread has closed
/// its last descriptor meanwhile. Errors as for [`set`].
fn set_of_file(
    file: &Arc<OpenFile>,
    kind: Kind,
    owner: Owner,
    bytes: &Bytes,
    lock: Option<bool>,
    wait: bool,
) -> Result<()> {
    if let Some(count) = write_count(file) {
        count.note_lock();
    }
    set((inode_of(file)?, kind), owner, bytes, lock, wait)?;
    if owner == Owner::file(file) && !file.has_descriptors() {
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
    let owner = Owner::file(&file);
    let wait = operation & LOCK_NB == 0;
    set_of_file(&file, Kind::Whole, owner, &ALL, lock, wait)?;
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
        F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => Owner::file(file),
        _ => Owner::process(call.process()),
    };
    let lock = match flock.kind {
        F_RDLCK => Some(false),
        F_WRLCK => Some(true),
        F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    if matches!(command, F_GETLK | F_OFD_GETLK) {
        let exclusive = lock.ok_or(Errno::EINVAL)?;
        let of = (inode_of(file)?, Kind::Ranges);
        let found = with_table(|table| table.conflict(of, owner, &bytes, exclusive));
        describe(&mut flock, found);
        return place.write(&flock).map(|()| 0);
    }
    let open = file.flags();
    if lock == Some(false) && !open.readable() || lock == Some(true) && !open.writable() {
        return Err(Errno::EBADF);
    }
    let wait = matches!(command, F_SETLKW | F_OFD_SETLKW);
    set_of_file(file, Kind::Ranges, owner, &bytes, lock, wait)?;
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
    flock.pid = lock.owner.pid().map_or(-1, |pid| pid as i32);
}

/// The process closes a descriptor: its locks of fcntl(2) on that file go,
/// whichever descriptor they were made with.
pub fn closing(process: &Process, file: &Arc<OpenFile>) {
    release(file, &[Kind::Ranges], Owner::process(process));
}

/// The last descriptor of an open file has been closed: its locks go.
pub fn closed(file: &Arc<OpenFile>) {
    release(file, &[Kind::Ranges, Kind::Whole], Owner::file(file));
}

fn release(file: &OpenFile, kinds: &[Kind], owner: Owner) {
    if LOCKED.load(Ordering::Relaxed) == 0 {
        return;
    }
    if write_count(file).is_some_and(|count| !count.was_locked()) {
        return;
    }
    let Ok(inode) = inode_of(file) else {
        return;
    };
    for kind in kinds {
        tell(with_table(|table| table.release((inode, *kind), owner)));
    }
}

/// A process has lost its last thread: its locks go.
pub fn process_ended(process: &Process) {
    if LOCKED.load(Ordering::Relaxed) == 0 {
        return;
    }
    let owner = Owner::process(process);
    while let Some(told) = with_table(|table| table.release_next(owner)) {
        tell(told);
    }
}
