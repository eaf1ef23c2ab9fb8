//! Shared memory of System V: segments as sources of mappings.

use super::super::hardware::{Arm, Page};
use super::{IpcSpace, now, pid};
use crate::memory::frames;
use crate::process::accounts;
use alloc::sync::Arc;
use core::fmt;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_ipc::shm::Segment;
use paddock_mem::{MapError, MapSource, PAGE_SIZE, SharedMemory};

/// The number of the device that segments' inodes are shown on.
const DEVICE: u64 = 4;

/// A segment's memory, and who owes it: its maker's user, for it may outlive
/// the process.
pub struct Memory {
    pages: Arc<SharedMemory<Arm>>,
    key: i32,
    _charge: Charge,
}

impl Memory {
    /// Memory of `bytes` for a segment of that key. `ENOMEM`, also for more
    /// than the machine has.
    pub fn new(key: i32, bytes: u64) -> Result<Memory> {
        let limit = frames::total() as u64 * PAGE_SIZE;
        if bytes > limit {
            return Err(Errno::ENOMEM);
        }
        let all = bytes.next_multiple_of(PAGE_SIZE) + SharedMemory::<Arm>::overhead(bytes);
        let charge = Charge::new(accounts::paying().user(), all as usize)?;
        Ok(Memory {
            pages: SharedMemory::new(bytes)?,
            key,
            _charge: charge,
        })
    }

    /// Its pages that have been touched.
    pub fn resident(&self) -> u64 {
        self.pages.resident()
    }
}

/// What a process maps of a segment, and the segment's namespace.
pub struct Mapped(pub Arc<Segment<Memory>>, pub Arc<IpcSpace>);

impl MapSource<Arm> for Mapped {
    fn page(&self, index: u64, write: bool) -> core::result::Result<Page, MapError> {
        self.0.memory.pages.page(index, write)
    }

    fn remove(&self, first: u64, pages: u64) -> Result<()> {
        self.0.memory.pages.remove(first, pages)
    }

    fn cached(&self, index: u64) -> Option<Page> {
        self.0.memory.pages.cached(index)
    }

    fn tracks_writes(&self) -> bool {
        false
    }

    fn attachable_pages(&self) -> Option<u64> {
        Some(self.0.pages())
    }

    fn attached(&self) {
        self.0.attached(pid(), now());
    }

    fn detached(&self) {
        self.1.segments.detached(&self.0, pid(), now());
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.0.id() as u64)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/SYSV{:08x} (deleted)", self.0.memory.key)
    }
}
