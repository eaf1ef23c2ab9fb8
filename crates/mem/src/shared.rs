//! Anonymous memory that several address spaces share.

use crate::address::PAGE_SIZE;
use crate::frame::{Frame, SharedFrame};
use crate::hardware::{Hardware, Purpose};
use crate::source::{MapError, MapSource};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc, try_box};

const CHUNK: usize = 64;

type Chunk<H> = Box<[Option<SharedFrame<H>>; CHUNK]>;

static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

/// Pages of zeros that come into being when they are first touched: what
/// `MAP_SHARED | MAP_ANONYMOUS` maps.
pub struct SharedMemory<H: Hardware> {
    identity: u64,
    pages: u64,
    resident: AtomicU64,
    chunks: SpinLock<Vec<Option<Chunk<H>>>, PreemptOff>,
}

impl<H: Hardware> SharedMemory<H> {
    /// Shared memory of `bytes`, rounded up to pages.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(bytes: u64) -> Result<Arc<Self>> {
        let pages = bytes.div_ceil(PAGE_SIZE);
        let count = usize::try_from(pages.div_ceil(CHUNK as u64)).map_err(|_| Errno::ENOMEM)?;
        let mut chunks = Vec::new();
        chunks.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        chunks.resize_with(count, || None);
        try_arc(SharedMemory {
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            pages,
            resident: AtomicU64::new(0),
            chunks: SpinLock::new(Rank::Leaf, chunks),
        })
    }

    /// How many pages it has.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Pages that have been touched.
    pub fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }

    /// Bytes that the list of `bytes` of shared memory takes at most.
    pub const fn overhead(bytes: u64) -> u64 {
        let chunks = bytes.div_ceil(PAGE_SIZE * CHUNK as u64);
        chunks * (size_of::<Option<Chunk<H>>>() + CHUNK * size_of::<SharedFrame<H>>()) as u64
    }

    fn find(&self, index: u64) -> Option<SharedFrame<H>> {
        let (chunk, at) = place(index)?;
        let chunks = self.chunks.lock();
        chunks.get(chunk)?.as_ref()?[at].as_ref()?.try_clone()
    }

    /// Puts a new page of zeros at `index`, unless somebody was faster.
    fn create(&self, index: u64) -> Option<SharedFrame<H>> {
        let (chunk, at) = place(index)?;
        // Made before the lock is taken; given back if not needed.
        let mut spare_page = Some(Frame::zeroed(Purpose::Shared)?.share());
        let mut spare_chunk = Some(try_box([const { None }; CHUNK]).ok()?);
        let mut chunks = self.chunks.lock();
        let chunk = chunks.get_mut(chunk)?;
        if chunk.is_none() {
            *chunk = spare_chunk.take();
        }
        let page = &mut chunk.as_mut()?[at];
        if page.is_none() {
            *page = spare_page.take();
            self.resident.fetch_add(1, Ordering::Relaxed);
        }
        page.as_ref()?.try_clone()
    }
}

fn place(index: u64) -> Option<(usize, usize)> {
    let index = usize::try_from(index).ok()?;
    Some((index / CHUNK, index % CHUNK))
}

impl<H: Hardware> MapSource<H> for SharedMemory<H> {
    fn page(&self, index: u64, _write: bool) -> core::result::Result<SharedFrame<H>, MapError> {
        if index >= self.pages {
            return Err(MapError::Bus);
        }
        self.find(index)
            .or_else(|| self.create(index))
            .ok_or(MapError::OutOfMemory)
    }

    fn remove(&self, first: u64, pages: u64) -> Result<()> {
        // Whoever has mapped one keeps it, as zeros.
        for index in first..first.saturating_add(pages).min(self.pages) {
            if let Some(page) = self.find(index) {
                page.zero(0, PAGE_SIZE as usize);
            }
        }
        Ok(())
    }

    fn cached(&self, index: u64) -> Option<SharedFrame<H>> {
        self.find(index)
    }

    fn tracks_writes(&self) -> bool {
        false
    }

    fn identity(&self) -> (u64, u64) {
        (1, self.identity)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/dev/zero (deleted)")
    }
}
