//! The table of descriptors of one or, after clone(CLONE_FILES), several
//! processes.

use super::{Process, locks};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use paddock_abi::Result;
use paddock_sync::{Mutex, MutexGuard, OnceCell, Rank, SpinLock, try_arc};
use paddock_vfs::{FdEntry, FdTable, OpenFile};

/// A table and how many processes use it. References without a share (those
/// of a call under way, or of a reader of `/proc`) keep the table, but not
/// what is in it.
pub struct Files {
    table: Mutex<FdTable>,
    users: AtomicUsize,
    /// Threads of these processes: none but they change the table, each in calls of
    /// its own.
    threads: AtomicUsize,
}

impl Files {
    /// The table itself. Sleeps.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, FdTable> {
        self.table.lock()
    }

    /// The open file of a descriptor, for a call of one of its threads. `EBADF`. May
    /// sleep.
    ///
    /// # Safety
    /// The caller is such a thread.
    #[inline]
    pub unsafe fn get_as_own(&self, fd: i32) -> Result<Arc<OpenFile>> {
        if self.threads.load(Ordering::Acquire) != 1 {
            return self.lock().get(fd);
        }
        // SAFETY: only the caller could change the table, and only it could start
        // another thread that can.
        unsafe { self.table.read_unlocked() }.get(fd)
    }

    /// A thread of a process that uses it is about to run.
    pub fn add_thread(&self) {
        self.threads.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread of a process that uses it calls for no descriptor any more.
    pub fn remove_thread(&self) {
        self.threads.fetch_sub(1, Ordering::Release);
    }
}

/// One process's share of a table. The last one to be dropped closes all
/// descriptors, however many other references there are: dropping sleeps.
pub struct FileShare(Arc<Files>);

/// What a process has that has ended: a table that stays empty.
static NO_FILES: OnceCell<FileShare> = OnceCell::new();

/// Lets go of a descriptor that a process closes, outside all locks: the one way.
/// Sleeps.
///
/// # Errors
/// What close(2) is to say of it; it is closed all the same.
pub fn release(process: &Process, entry: FdEntry) -> Result<()> {
    locks::closing(process, entry.file());
    let closed = entry.file().file().descriptor_closed(process.pid);
    drop(entry);
    closed
}

/// Makes the empty table, and connects what depends on descriptors being closed.
/// Once, at boot.
pub fn init() {
    assert!(paddock_vfs::on_last_close(locks::closed), "set up twice");
    match FileShare::new(FdTable::new()) {
        Ok(share) => drop(NO_FILES.set(share)),
        Err(_) => panic!("no memory for the empty table of descriptors"),
    }
}

impl FileShare {
    /// A table that one process uses. `ENOMEM`.
    pub fn new(table: FdTable) -> Result<FileShare> {
        Ok(FileShare(try_arc(Files {
            table: Mutex::new(Rank::FdTable, table),
            users: AtomicUsize::new(1),
            threads: AtomicUsize::new(0),
        })?))
    }

    /// A share of the empty table.
    pub fn none() -> FileShare {
        match NO_FILES.get() {
            Some(share) => share.another(),
            None => panic!("descriptors are asked for before there are any"),
        }
    }

    /// A share for one more process.
    pub fn another(&self) -> FileShare {
        self.0.users.fetch_add(1, Ordering::Relaxed);
        FileShare(self.0.clone())
    }

    /// Whether other processes have shares.
    pub fn is_shared(&self) -> bool {
        self.0.users.load(Ordering::Acquire) > 1
    }

    /// The table.
    pub fn files(&self) -> &Arc<Files> {
        &self.0
    }
}

impl Drop for FileShare {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Closing may sleep and take other locks: outside the table's.
            let all = self.0.lock().take_all();
            drop(all);
        }
    }
}

/// Where a process has its share. Only its last thread ever puts another there: one
/// that is about to run a new program, that unshares its descriptors, or that ends.
pub struct OwnFiles {
    share: SpinLock<FileShare>,
    /// The table of that share.
    table: AtomicPtr<Files>,
}

impl OwnFiles {
    /// With the share that a process begins with.
    pub fn new(share: FileShare) -> OwnFiles {
        OwnFiles {
            table: AtomicPtr::new(table_of(&share)),
            share: SpinLock::new(Rank::Leaf, share),
        }
    }

    /// The table, for whoever it may be. Never sleeps.
    pub fn get(&self) -> Arc<Files> {
        self.share.lock().files().clone()
    }

    /// A share for another process. Never sleeps.
    pub fn another(&self) -> FileShare {
        self.share.lock().another()
    }

    /// Whether other processes have shares. Never sleeps.
    pub fn is_shared(&self) -> bool {
        self.share.lock().is_shared()
    }

    /// The table, for a system call of one of the process's own threads: without a
    /// lock and without a reference of its own.
    ///
    /// # Safety
    /// The caller is such a thread, and lets go of it before it calls
    /// [`Self::replace`].
    pub unsafe fn of_own_thread(&self) -> &Files {
        // SAFETY: the share keeps the table alive until `replace`, which only the last
        // thread calls: the caller's promise is that it is not in between.
        unsafe { &*self.table.load(Ordering::Acquire) }
    }

    /// Puts another share there; the one that was, for the caller to drop where it may
    /// sleep. Only the last thread of the process.
    pub fn replace(&self, share: FileShare) -> FileShare {
        let mut now = self.share.lock();
        self.table.store(table_of(&share), Ordering::Release);
        core::mem::replace(&mut now, share)
    }
}

fn table_of(share: &FileShare) -> *mut Files {
    Arc::as_ptr(share.files()).cast_mut()
}
