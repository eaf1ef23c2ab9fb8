//! What can be mapped besides anonymous memory.

use crate::frame::SharedFrame;
use crate::hardware::Hardware;
use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

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

    /// Whether there is a page at `index` at all: asked again, under the address space's
    /// lock, before what [`MapSource::page`] gave is mapped. Whoever cuts the object
    /// first has this say so and then calls [`AddressSpace::cut`](crate::AddressSpace::cut).
    fn has(&self, index: u64) -> bool {
        let _ = index;
        true
    }

    /// Makes durable what was changed through mappings, and tells what could not be
    /// written. May sleep, and is called without the address space's lock.
    ///
    /// # Errors
    /// Those of writing.
    fn sync(&self) -> paddock_abi::Result<()> {
        Ok(())
    }

    /// Takes pages away: whoever looks finds zeros. May sleep, and is called without the
    /// address space's lock.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where pages cannot go.
    fn remove(&self, first: u64, pages: u64) -> paddock_abi::Result<()> {
        let _ = (first, pages);
        Err(paddock_abi::Errno::EOPNOTSUPP)
    }

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

    /// Its length in pages if areas attach it as shmat(2) does: shmdt(2) finds
    /// those by where its first page is.
    fn attachable_pages(&self) -> Option<u64> {
        None
    }

    /// One more area shows it. Any context.
    fn attached(&self) {}

    /// One area less shows it. Must not sleep; called under the address space's
    /// lock.
    fn detached(&self) {}

    /// Writes the name shown in `/proc/PID/maps`.
    ///
    /// # Errors
    /// Those of the formatter.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// A source that an area shows: it hears of the area's coming and going.
pub struct Attached<H: Hardware>(Arc<dyn MapSource<H>>);

impl<H: Hardware> Attached<H> {
    /// Attaches it.
    pub fn new(source: Arc<dyn MapSource<H>>) -> Self {
        source.attached();
        Attached(source)
    }

    /// Takes over an attachment that the source has counted already.
    pub fn adopt(source: Arc<dyn MapSource<H>>) -> Self {
        Attached(source)
    }
}

impl<H: Hardware> Clone for Attached<H> {
    fn clone(&self) -> Self {
        Attached::new(self.0.clone())
    }
}

impl<H: Hardware> Drop for Attached<H> {
    fn drop(&mut self) {
        self.0.detached();
    }
}

impl<H: Hardware> Deref for Attached<H> {
    type Target = Arc<dyn MapSource<H>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<H: Hardware> fmt::Debug for Attached<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attached({:?})", self.0.identity())
    }
}
