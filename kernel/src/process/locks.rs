//! Advisory locks on files (fcntl(2), flock(2)): who holds them, and when they go.
//!
//! A process lets go of its locks when its last thread ends, an open file when its last
//! descriptor is closed: no owner outlives its number.

use super::{Process, current};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use paddock_abi::{Errno, Result};
use paddock_process::locks::{Bytes, Kind, Lock, LockTable, Shown, Turn, Wish};
use paddock_sync::{NO_DEADLINE, PreemptOff, Rank, SpinLock, WaitQueue};
use paddock_vfs::{OpenFile, WriteCount};

/// Who holds a lock, as a number that compares fast: a process's, or above all of
/// these the address of an open file description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(u64);

impl Owner {
    /// Above all processes' numbers, below the addresses of the kernel.
    const FIRST_FILE: u64 = 1 << 32;

    /// A process.
    pub fn process(process: &Process) -> Owner {
        Owner(process.pid.into())
    }

    /// An open file description.
    pub fn file(file: &Arc<OpenFile>) -> Owner {
        let address = Arc::as_ptr(file).addr() as u64;
        debug_assert!(address >= Self::FIRST_FILE, "no address of the kernel");
        Owner(address)
    }

    /// The address of the open file description, if it is one.
    pub fn address(self) -> Option<usize> {
        (self.0 >= Self::FIRST_FILE).then_some(self.0 as usize)
    }

    /// The process, if it is one.
    pub fn pid(self) -> Option<u32> {
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

/// All bytes of a file.
pub const ALL: Bytes = 0..=u64::MAX;

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

fn set_at(
    place: (Inode, Kind),
    owner: Owner,
    bytes: &Bytes,
    lock: Option<bool>,
    wait: bool,
) -> Result<()> {
    let process = current().map_or(0, |thread| thread.process.pid);
    loop {
        match with_table(|table| table.set(place, (owner, process), bytes, lock)) {
            Ok(told) => {
                tell(told);
                return Ok(());
            }
            Err(Errno::EAGAIN) if wait => {
                wait_for_turn(place, (owner, process), bytes, lock.unwrap_or(false))?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Waits until nobody is in the way of a lock.
///
/// # Errors
/// `EDEADLK`, `ERESTARTSYS`, `ENOMEM`.
fn wait_for_turn(
    place: (Inode, Kind),
    (owner, process): (Owner, u32),
    bytes: &Bytes,
    exclusive: bool,
) -> Result<()> {
    let wish = Wish {
        kind: place.1,
        lock: Lock {
            owner,
            start: *bytes.start(),
            end: *bytes.end(),
            exclusive,
        },
        process,
    };
    let (number, changed) = with_table(|table| table.begin_wait(place.0, wish))?;
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

/// Sets or clears a lock of an open file, waiting for those in the way if `wait`; not
/// if another thread has closed its last descriptor meanwhile.
///
/// # Errors
/// `EAGAIN`, `EDEADLK`, `ENOLCK`, `ERESTARTSYS`, `ENOMEM`.
pub fn set(
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
    set_at((inode_of(file)?, kind), owner, bytes, lock, wait)?;
    if owner == Owner::file(file) && !file.has_descriptors() {
        closed(file);
    }
    Ok(())
}

/// Somebody else's lock of fcntl(2) that is in the way of this one.
///
/// # Errors
/// Those of the file's attributes.
pub fn conflict(
    file: &OpenFile,
    owner: Owner,
    bytes: &Bytes,
    exclusive: bool,
) -> Result<Option<Lock<Owner>>> {
    let place = (inode_of(file)?, Kind::Ranges);
    Ok(with_table(|table| {
        table.conflict(place, owner, bytes, exclusive)
    }))
}

/// Shows all locks, file by file, which is known by its device and inode. `ENOMEM`, and
/// the errors of `show`, which may sleep.
pub fn for_each(mut show: impl FnMut((u64, u64), &Shown<Owner>) -> Result<()>) -> Result<()> {
    file_by_file(
        |file| with_table(|table| table.next_file(file)),
        |file, take| with_table(|table| table.show(file, take)),
        |file, shown| show(file, shown),
    )
}

/// Shows what there is of files, one after the other: `next` is the file after another one
/// and how much there is of it, `tell` gives that, and neither sleeps; `show` may.
/// `ENOMEM`, and the errors of `show`.
pub fn file_by_file<F: Copy, T>(
    next: impl Fn(Option<F>) -> Option<(F, usize)>,
    tell: impl Fn(F, &mut dyn FnMut(T)),
    mut show: impl FnMut(F, &T) -> Result<()>,
) -> Result<()> {
    let mut all = Vec::new();
    let mut last = None;
    while let Some((file, count)) = next(last) {
        all.clear();
        all.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
        // Those that came meanwhile are as if they came later.
        tell(file, &mut |shown| {
            if all.len() < count {
                all.push(shown);
            }
        });
        all.iter().try_for_each(|shown| show(file, shown))?;
        last = Some(file);
    }
    Ok(())
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
