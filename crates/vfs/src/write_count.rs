//! Who writes to a file, and who runs it: never both (`ETXTBSY`).

use crate::path::MountWriting;
use crate::{Errno, Inode, Path, Result};
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, fence};

/// How many have a regular file open for writing; or, below zero, how many
/// run it. Linux's `i_writecount`.
#[derive(Debug)]
pub struct WriteCount {
    count: AtomicI32,
    /// Somebody has asked for an advisory lock on the file, at some time.
    was_locked: AtomicBool,
    /// Areas of memory that show the file.
    mappings: AtomicUsize,
    /// The least length that it was cut to since that was taken.
    cut_to: AtomicU64,
}

impl WriteCount {
    /// Nobody does either.
    pub const fn new() -> Self {
        WriteCount {
            count: AtomicI32::new(0),
            was_locked: AtomicBool::new(false),
            mappings: AtomicUsize::new(0),
            cut_to: AtomicU64::new(NOT_CUT),
        }
    }

    /// Moves it away from zero, unless it is on the other side of it.
    fn enter(&self, step: i32) -> Result<()> {
        let more = |count: i32| match count.signum() == -step {
            true => None,
            false => count.checked_add(step),
        };
        let entered = self.count.fetch_update(Relaxed, Relaxed, more);
        entered.map(drop).map_err(|_| Errno::ETXTBSY)
    }

    fn leave(&self, step: i32) {
        let before = self.count.fetch_sub(step, Relaxed);
        debug_assert_eq!(before.signum(), step);
    }

    /// How many have it open for writing.
    pub fn writers(&self) -> u32 {
        self.count.load(SeqCst).max(0).unsigned_abs()
    }

    /// One area of memory more shows the file.
    pub fn mapped(&self) {
        self.mappings.fetch_add(1, SeqCst);
        // Whoever has counted itself sees what is cut from now on; whoever cuts it sees
        // who had counted itself before.
        fence(SeqCst);
    }

    /// One area less does.
    pub fn unmapped(&self) {
        self.mappings.fetch_sub(1, SeqCst);
    }

    /// Whether one does.
    pub fn is_mapped(&self) -> bool {
        fence(SeqCst);
        self.mappings.load(SeqCst) > 0
    }

    /// The file is `size` bytes long now, and was longer. By its filesystem, under the
    /// lock of its length.
    pub fn note_cut(&self, size: u64) {
        self.cut_to.fetch_min(size, SeqCst);
    }

    /// The least length that it was cut to since this was asked last, if it was.
    pub fn take_cut(&self) -> Option<u64> {
        // Mostly it is never cut.
        if self.cut_to.load(SeqCst) == NOT_CUT {
            return None;
        }
        Some(self.cut_to.swap(NOT_CUT, SeqCst)).filter(|size| *size != NOT_CUT)
    }

    /// Said before an advisory lock on the file is asked for.
    pub fn note_lock(&self) {
        self.was_locked.store(true, SeqCst);
    }

    /// Whether that was ever said. Closing a file of which it was not has no locks to
    /// look for.
    pub fn was_locked(&self) -> bool {
        self.was_locked.load(SeqCst)
    }
}

impl Default for WriteCount {
    fn default() -> Self {
        Self::new()
    }
}

/// [`WriteCount::cut_to`] of a file that was not: no file is as long.
const NOT_CUT: u64 = u64::MAX;

const WRITER: i32 = 1;
const RUNNER: i32 = -1;

/// One that is counted for as long as this is there.
struct Counted<const STEP: i32>(Option<Arc<dyn Inode>>);

impl<const STEP: i32> Counted<STEP> {
    /// `ETXTBSY`; nothing is counted where the filesystem does not count.
    fn new(inode: &Arc<dyn Inode>) -> Result<Self> {
        match inode.write_count() {
            Some(count) => {
                count.enter(STEP)?;
                Ok(Counted(Some(inode.clone())))
            }
            None => Ok(Counted(None)),
        }
    }
}

impl<const STEP: i32> Drop for Counted<STEP> {
    fn drop(&mut self) {
        if let Some(count) = self.0.as_ref().and_then(|inode| inode.write_count()) {
            count.leave(STEP);
        }
    }
}

/// A regular file is open for writing, or its size changed, for as long as
/// this is there.
pub struct Writing {
    inode: Counted<WRITER>,
    _mount: Option<MountWriting>,
}

impl Writing {
    /// # Errors
    /// `ETXTBSY` for one that runs.
    pub fn new(inode: &Arc<dyn Inode>) -> Result<Writing> {
        Ok(Writing {
            inode: Counted::new(inode)?,
            _mount: None,
        })
    }

    /// The same by way of a place: its mount and its filesystem stay such that they can
    /// be written.
    ///
    /// # Errors
    /// `EROFS`; `ETXTBSY` for one that runs.
    pub(crate) fn at(path: &Path) -> Result<Writing> {
        let mount = MountWriting::new(path.mount())?;
        Ok(Writing {
            inode: Counted::new(path.inode())?,
            _mount: Some(mount),
        })
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writing({})", self.inode.0.is_some())
    }
}

/// A file runs as a program for as long as this is there.
pub struct Running(Counted<RUNNER>);

impl Running {
    /// # Errors
    /// `ETXTBSY` for one that is open for writing.
    pub fn new(inode: &Arc<dyn Inode>) -> Result<Running> {
        Counted::new(inode).map(Running)
    }

    /// The same program once more. `ETXTBSY` for the 2³¹st.
    pub fn try_clone(&self) -> Result<Running> {
        match &self.0.0 {
            Some(inode) => Running::new(inode),
            None => Ok(Running(Counted(None))),
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({})", self.0.0.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_length_is_taken_once() {
        let count = WriteCount::new();
        assert_eq!(count.take_cut(), None);
        count.note_cut(100);
        count.note_cut(300);
        assert_eq!(count.take_cut(), Some(100));
        assert_eq!(count.take_cut(), None);
    }

    #[test]
    fn writers_and_runners_keep_each_other_out() {
        let count = WriteCount::new();
        count.enter(WRITER).unwrap();
        count.enter(WRITER).unwrap();
        assert_eq!(count.enter(RUNNER), Err(Errno::ETXTBSY));
        count.leave(WRITER);
        assert_eq!(count.enter(RUNNER), Err(Errno::ETXTBSY));
        count.leave(WRITER);
        count.enter(RUNNER).unwrap();
        count.enter(RUNNER).unwrap();
        assert_eq!(count.enter(WRITER), Err(Errno::ETXTBSY));
        count.leave(RUNNER);
        count.leave(RUNNER);
        count.enter(WRITER).unwrap();
    }
}
