//! Sources that count the areas that show them, as shmat(2) does.

use super::{RW, new_space};
use crate::fake::{self, Fake};
use crate::{AddressSpace, MapError, MapRequest, MapSource, PAGE_SIZE, SharedFrame, SharedMemory};
use core::fmt;
use paddock_abi::Errno;
use paddock_abi::mman::{MREMAP_MAYMOVE, MapFlags, Prot};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const AT: u64 = 0x40_0000;
const PAGES: u64 = 8;

struct Counting {
    memory: Arc<SharedMemory<Fake>>,
    areas: AtomicUsize,
}

impl Counting {
    fn new() -> Arc<Counting> {
        Arc::new(Counting {
            memory: SharedMemory::new(PAGES * PAGE_SIZE).unwrap(),
            areas: AtomicUsize::new(0),
        })
    }

    fn areas(&self) -> usize {
        self.areas.load(Relaxed)
    }
}

impl MapSource<Fake> for Counting {
    fn page(&self, index: u64, write: bool) -> Result<SharedFrame<Fake>, MapError> {
        self.memory.page(index, write)
    }

    fn attachable_pages(&self) -> Option<u64> {
        Some(PAGES)
    }

    fn attached(&self) {
        self.areas.fetch_add(1, Relaxed);
    }

    fn detached(&self) {
        self.areas.fetch_sub(1, Relaxed);
    }

    fn identity(&self) -> (u64, u64) {
        self.memory.identity()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.describe(f)
    }
}

fn attach(space: &mut AddressSpace<Fake>, source: &Arc<Counting>, address: u64) {
    let request = MapRequest {
        address,
        length: PAGES * PAGE_SIZE,
        prot: RW,
        flags: MapFlags::SHARED | MapFlags::FIXED,
        source: Some((source.clone(), 0)),
        may: RW,
    };
    assert_eq!(space.map(&request), Ok(address));
}

#[test]
fn every_area_counts_and_all_go_in_the_end() {
    fake::reset(64);
    let source = Counting::new();
    let mut space = new_space();
    attach(&mut space, &source, AT);
    assert_eq!(source.areas(), 1);
    // A hole makes two of one, as on Linux.
    space.unmap(AT + 2 * PAGE_SIZE, PAGE_SIZE).unwrap();
    assert_eq!(source.areas(), 2);
    space.protect(AT, PAGE_SIZE, Prot::READ).unwrap();
    assert_eq!(source.areas(), 3);
    space.protect(AT, PAGE_SIZE, RW).unwrap();
    assert_eq!(source.areas(), 2);
    let child = space.fork().unwrap();
    assert_eq!(source.areas(), 4);
    drop(child);
    assert_eq!(source.areas(), 2);
    let moved = space.remap(AT, PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
    assert!(moved.is_ok());
    drop(space);
    assert_eq!(source.areas(), 0);
}

#[test]
fn detaching_takes_what_is_left_of_one_attachment_only() {
    fake::reset(64);
    let (source, other) = (Counting::new(), Counting::new());
    let mut space = new_space();
    let next = AT + PAGES * PAGE_SIZE;
    attach(&mut space, &source, AT);
    attach(&mut space, &source, next);
    assert_eq!(space.detach(AT + 1), Err(Errno::EINVAL));
    assert_eq!(space.detach(AT + PAGE_SIZE), Err(Errno::EINVAL));
    // Its first pages are another's now; the rest is found all the same.
    space.unmap(AT, PAGE_SIZE).unwrap();
    let request = MapRequest {
        address: AT + 3 * PAGE_SIZE,
        length: PAGE_SIZE,
        prot: RW,
        flags: MapFlags::SHARED | MapFlags::FIXED,
        source: Some((other.clone(), 0)),
        may: RW,
    };
    space.map(&request).unwrap();
    assert_eq!((source.areas(), other.areas()), (3, 1));
    space.detach(AT).unwrap();
    assert_eq!((source.areas(), other.areas()), (1, 1));
    assert_eq!(space.detach(AT), Err(Errno::EINVAL));
    space.detach(next).unwrap();
    space.detach(AT + 3 * PAGE_SIZE).unwrap();
    assert_eq!((source.areas(), other.areas()), (0, 0));
    assert!(space.areas().is_empty());
}
