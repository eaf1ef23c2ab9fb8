//! [`FdTable`]: a process's descriptors.

use crate::{Errno, OpenFile, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_charge::{Account, Charge};
use paddock_sync::OnceCell;

/// A descriptor: what it refers to, and its one flag.
///
/// The open file counts its descriptors. Whoever drops the last one has
/// thereby told [`on_last_close`]'s function, with none of the table's locks
/// held; that may sleep.
#[derive(Debug)]
pub struct FdEntry {
    file: Arc<OpenFile>,
    /// Whether execve(2) closes it.
    pub close_on_exec: bool,
}

static ON_LAST_CLOSE: OnceCell<fn(&Arc<OpenFile>)> = OnceCell::new();

/// Sets what is called when the last descriptor of an open file is gone. The
/// file itself may live on, in a call that is under way or in a message.
/// Once; false if it was set before.
pub fn on_last_close(function: fn(&Arc<OpenFile>)) -> bool {
    ON_LAST_CLOSE.set(function).is_ok()
}

impl FdEntry {
    fn new(file: Arc<OpenFile>, close_on_exec: bool) -> FdEntry {
        file.add_descriptor();
        FdEntry {
            file,
            close_on_exec,
        }
    }

    /// The open file description.
    pub fn file(&self) -> &Arc<OpenFile> {
        &self.file
    }
}

impl Clone for FdEntry {
    fn clone(&self) -> FdEntry {
        FdEntry::new(self.file.clone(), self.close_on_exec)
    }
}

impl Drop for FdEntry {
    fn drop(&mut self) {
        if self.file.remove_descriptor()
            && let Some(function) = ON_LAST_CLOSE.get()
        {
            function(&self.file);
        }
    }
}

/// From descriptor to open file description. Plain data: the kernel locks it,
/// and drops what the calls below hand back after letting go of that lock.
#[derive(Debug, Default)]
pub struct FdTable {
    entries: Vec<Option<FdEntry>>,
    /// No descriptor below is free.
    lowest_free: usize,
    /// Of its descriptors, if somebody pays for them.
    charge: Option<Charge>,
}

/// What a descriptor counts for, with what it refers to.
const DESCRIPTOR_BYTES: usize = 256;

impl FdTable {
    /// A table without descriptors.
    pub const fn new() -> FdTable {
        FdTable {
            entries: Vec::new(),
            lowest_free: 0,
            charge: None,
        }
    }

    /// The table of a fork, for which `account` pays: the same open file
    /// descriptions. `ENOMEM`.
    pub fn fork(&self, account: &Arc<Account>) -> Result<FdTable> {
        let FdTable {
            entries,
            lowest_free,
            charge: _,
        } = self;
        let charge = Charge::new(account, entries.len() * DESCRIPTOR_BYTES)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(entries.len())
            .map_err(|_| Errno::ENOMEM)?;
        copy.extend(entries.iter().cloned());
        Ok(FdTable {
            entries: copy,
            lowest_free: *lowest_free,
            charge: Some(charge),
        })
    }

    /// What `fd` refers to. `EBADF`.
    pub fn get(&self, fd: i32) -> Result<Arc<OpenFile>> {
        self.entry(fd).map(|entry| entry.file.clone())
    }

    /// The descriptor itself. `EBADF`.
    pub fn entry(&self, fd: i32) -> Result<&FdEntry> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let entry = self.entries.get(index).and_then(Option::as_ref);
        entry.ok_or(Errno::EBADF)
    }

    /// Whether there is a descriptor left below `limit`. `EMFILE`.
    pub fn check_room(&self, limit: usize) -> Result<()> {
        let used = self.entries.get(self.lowest_free..).unwrap_or(&[]);
        let taken = used.iter().take_while(|entry| entry.is_some()).count();
        match self.lowest_free + taken < limit {
            true => Ok(()),
            false => Err(Errno::EMFILE),
        }
    }

    /// Puts `file` at the lowest free descriptor at or above `from` and below
    /// `limit` (`RLIMIT_NOFILE`). `EMFILE`, `ENOMEM`; `EINVAL` if `from` is
    /// negative or not below the limit.
    pub fn insert(
        &mut self,
        file: Arc<OpenFile>,
        close_on_exec: bool,
        from: i32,
        limit: usize,
    ) -> Result<i32> {
        let from = usize::try_from(from).map_err(|_| Errno::EINVAL)?;
        if from > 0 && from >= limit {
            return Err(Errno::EINVAL);
        }
        let start = from.max(self.lowest_free);
        let used = self.entries.get(start..).unwrap_or(&[]);
        let index = start + used.iter().take_while(|entry| entry.is_some()).count();
        if index >= limit || i32::try_from(index).is_err() {
            return Err(Errno::EMFILE);
        }
        self.reserve(index)?;
        self.entries[index] = Some(FdEntry::new(file, close_on_exec));
        if start == self.lowest_free {
            self.lowest_free = index + 1;
        }
        Ok(index as i32)
    }

    /// Puts `file` at `fd`, which must be below `limit`, and gives back what
    /// was there. `EBADF`, `ENOMEM`.
    pub fn replace(
        &mut self,
        fd: i32,
        file: Arc<OpenFile>,
        close_on_exec: bool,
        limit: usize,
    ) -> Result<Option<FdEntry>> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if index >= limit {
            return Err(Errno::EBADF);
        }
        self.reserve(index)?;
        Ok(self.entries[index].replace(FdEntry::new(file, close_on_exec)))
    }

    fn reserve(&mut self, index: usize) -> Result<()> {
        if index >= self.entries.len() {
            let more = index + 1 - self.entries.len();
            self.entries.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            if let Some(charge) = &mut self.charge {
                charge.resize((index + 1) * DESCRIPTOR_BYTES)?;
            }
            self.entries.resize(index + 1, None);
        }
        Ok(())
    }

    /// Takes `fd` out. `EBADF`.
    pub fn remove(&mut self, fd: i32) -> Result<FdEntry> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let slot = self.entries.get_mut(index).ok_or(Errno::EBADF)?;
        let entry = slot.take().ok_or(Errno::EBADF)?;
        self.lowest_free = self.lowest_free.min(index);
        Ok(entry)
    }

    /// Sets the close-on-exec flag. `EBADF`.
    pub fn set_close_on_exec(&mut self, fd: i32, value: bool) -> Result<()> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let entry = self.entries.get_mut(index).and_then(Option::as_mut);
        entry.ok_or(Errno::EBADF)?.close_on_exec = value;
        Ok(())
    }

    /// Takes out one descriptor that execve(2) closes. Called until it gives
    /// `None`; allocates nothing.
    pub fn take_close_on_exec(&mut self) -> Option<FdEntry> {
        let close = |entry: &Option<FdEntry>| entry.as_ref().is_some_and(|e| e.close_on_exec);
        let index = self.entries.iter().position(close)?;
        self.remove(index as i32).ok()
    }

    /// Takes out the descriptors from `first` to `last`, for close_range(2).
    /// Called until it gives `None`.
    pub fn take_in_range(&mut self, first: usize, last: usize) -> Option<FdEntry> {
        let end = self.entries.len().min(last.saturating_add(1));
        let range = self.entries.get(first..end)?;
        let index = first + range.iter().position(Option::is_some)?;
        self.remove(index as i32).ok()
    }

    /// The descriptors in ascending order, for `/proc/PID/fd`.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &FdEntry)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(fd, entry)| entry.as_ref().map(|entry| (fd as i32, entry)))
    }

    /// Takes everything out, for exit.
    pub fn take_all(&mut self) -> Vec<Option<FdEntry>> {
        self.lowest_free = 0;
        self.charge = None;
        core::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenFlags;
    use crate::dev_fs::NullFile;

    fn file() -> Arc<OpenFile> {
        OpenFile::new(Arc::new(NullFile), None, OpenFlags::RDWR).unwrap()
    }

    #[test]
    fn the_lowest_free_descriptor_is_used() {
        let mut table = FdTable::new();
        for expected in 0..4 {
            assert_eq!(table.insert(file(), false, 0, 8), Ok(expected));
        }
        table.remove(1).unwrap();
        assert_eq!(table.insert(file(), false, 2, 8), Ok(4));
        assert_eq!(table.insert(file(), false, 0, 8), Ok(1));
        assert_eq!(table.insert(file(), false, 0, 8), Ok(5));
    }

    #[test]
    fn the_limit_holds() {
        let mut table = FdTable::new();
        table.insert(file(), false, 0, 1).unwrap();
        assert_eq!(table.insert(file(), false, 0, 1), Err(Errno::EMFILE));
        assert_eq!(table.insert(file(), false, 5, 5), Err(Errno::EINVAL));
        assert!(table.replace(5, file(), false, 5).is_err());
        assert!(table.replace(-1, file(), false, 5).is_err());
    }

    #[test]
    fn replaced_then_removed_is_free_again() {
        let mut table = FdTable::new();
        assert!(table.replace(3, file(), true, 8).unwrap().is_none());
        assert!(table.replace(3, file(), false, 8).unwrap().is_some());
        assert_eq!(table.insert(file(), false, 0, 8), Ok(0));
        table.remove(3).unwrap();
        assert_eq!(table.remove(3).unwrap_err(), Errno::EBADF);
        assert_eq!(table.insert(file(), false, 3, 8), Ok(3));
    }

    #[test]
    fn an_open_file_counts_its_descriptors() {
        let open = file();
        let mut table = FdTable::new();
        table.insert(open.clone(), false, 0, 8).unwrap();
        assert!(open.has_descriptors());
        let account = Account::of_user(usize::MAX).unwrap();
        let child = table.fork(&account).unwrap();
        drop(table.remove(0).unwrap());
        assert!(open.has_descriptors());
        drop(child);
        assert!(!open.has_descriptors());
    }

    #[test]
    fn one_of_many_at_once_is_the_last() {
        static LAST: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
        assert!(on_last_close(|file| {
            if file.flags().contains(OpenFlags::APPEND) {
                LAST.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
            }
        }));
        for round in 1..=100 {
            let flags = OpenFlags::RDWR | OpenFlags::APPEND;
            let open = OpenFile::new(Arc::new(NullFile), None, flags).unwrap();
            let tables: std::vec::Vec<_> = (0..4)
                .map(|_| {
                    let mut table = FdTable::new();
                    table.insert(open.clone(), false, 0, 8).unwrap();
                    table
                })
                .collect();
            std::thread::scope(|scope| {
                for mut table in tables {
                    scope.spawn(move || drop(table.remove(0)));
                }
            });
            assert_eq!(LAST.load(core::sync::atomic::Ordering::Relaxed), round);
        }
    }

    #[test]
    fn exec_closes_what_is_marked_and_fork_shares() {
        let mut table = FdTable::new();
        table.insert(file(), true, 0, 8).unwrap();
        table.insert(file(), false, 0, 8).unwrap();
        let account = Account::of_user(usize::MAX).unwrap();
        let child = table.fork(&account).unwrap();
        while table.take_close_on_exec().is_some() {}
        assert_eq!(table.iter().map(|(fd, _)| fd).collect::<Vec<_>>(), [1]);
        assert!(Arc::ptr_eq(&child.get(1).unwrap(), &table.get(1).unwrap()));
        assert!(child.get(0).is_ok());
    }

    #[test]
    fn descriptors_are_paid_for_and_limited_by_that() {
        let account = Account::of_user(40 * DESCRIPTOR_BYTES).unwrap();
        let mut table = FdTable::new().fork(&account).unwrap();
        for expected in 0..40 {
            assert_eq!(table.insert(file(), false, 0, 1000), Ok(expected));
        }
        assert_eq!(account.bytes(), 40 * DESCRIPTOR_BYTES);
        assert_eq!(table.insert(file(), false, 0, 1000), Err(Errno::ENOMEM));
        assert_eq!(table.fork(&account).err(), Some(Errno::ENOMEM));
        drop(table.take_all());
        assert_eq!(account.bytes(), 0);
    }
}
