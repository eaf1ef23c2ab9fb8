//! What can be mapped besides anonymous memory.

use crate::frame::SharedFrame;
use crate::hardware::Hardware;
use core::fmt;

/// Why a source has no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Beyond the end of the file, or it cannot be read: `SIGBUS`.
    Bus,
    /// No memory for it.
    OutOfMemory,
}

/// An object whose pages can be mapped: a file's page cache, shared memory.
/// The mapping holds it, so an unlinked file's pages stay its own for as long
/// as they are mapped.
pub trait MapSource<H: Hardware>: Send + Sync {
    /// The page at `index`, in pages from the object's start. `write` says
    /// that it is about to be written through a shared mapping: it counts as
    /// changed from now on. May sleep, and is called without the address
    /// space's lock.
    ///
    /// # Errors
    /// [`MapError`].
    fn page(&self, index: u64, write: bool) -> Result<SharedFrame<H>, MapError>;

    /// The page at `index` if it is at hand: for mapping the neighbours of a
    /// page that was asked for. Never sleeps, and is called under the address
    /// space's lock; `None` is always a right answer.
    fn cached(&self, index: u64) -> Option<SharedFrame<H>> {
        let _ = index;
        None
    }

    /// The page at `index` was writable in a shared mapping until now, so it
    /// may have changed. Must not sleep for longer than a sleeping lock's
    /// short hold; called under the address space's lock.
    fn written(&self, index: u64) {
        let _ = index;
    }

    /// Whether [`MapSource::page`] must hear of the first write to a page. If
    /// not, pages are mapped writable at once.
    fn tracks_writes(&self) -> bool {
        true
    }

    /// Device and inode number, for `/proc/PID/maps` and for futexes in
    /// shared mappings: two sources with the same identity have the same
    /// pages.
    fn identity(&self) -> (u64, u64);

    /// Writes the name shown in `/proc/PID/maps`.
    ///
    /// # Errors
    /// Those of the formatter.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}
