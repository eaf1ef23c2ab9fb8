//! A process's memory as the rest of the kernel sees it, and the one place
//! that switches the user half of the address space.

use super::hardware::{Arm, Page};
use super::{asid, page_cache::FramePage};
use crate::arch::mmu;
use crate::memory;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::AtomicU64;
use paddock_abi::{Errno, Result};
use paddock_sync::{Mutex, OnceCell, Rank, try_arc};
use paddock_vfs::{Inode, Path};
use paddock_vm::{AddressSpace, MapSource};

/// An address space with its lock, and what a switch to it needs without one.
pub struct Memory {
    root: u64,
    tag: Arc<AtomicU64>,
    /// The areas and page tables.
    pub space: Mutex<AddressSpace<Arm>>,
}

impl Memory {
    /// Wraps an address space that was just made with [`new_tag`].
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(space: AddressSpace<Arm>) -> Result<Arc<Memory>> {
        try_arc(Memory {
            root: space.root(),
            tag: space.tag().clone(),
            space: Mutex::new(Rank::AddressSpace, space),
        })
    }

    /// A number for futexes that no other live address space has.
    pub fn id(&self) -> u64 {
        self.root
    }
}

/// A tag for a new address space: of no generation yet.
///
/// # Errors
/// `ENOMEM`.
pub fn new_tag() -> Result<Arc<AtomicU64>> {
    try_arc(AtomicU64::new(0))
}

/// A table that maps nothing, for kernel threads.
static EMPTY_TABLE: OnceCell<u64> = OnceCell::new();

/// Makes the empty table and switches to it. Once, at boot.
pub fn init() {
    match memory::allocate_zeroed_frame() {
        Some(frame) => {
            let _ = EMPTY_TABLE.set(frame);
        }
        None => panic!("no memory for the empty page table"),
    }
    activate(None);
}

/// Switches the user half to a process's memory, or to nothing. The one place
/// that does. Interrupts are masked or preemption is off.
pub fn activate(memory: Option<&Memory>) {
    match memory {
        Some(memory) => mmu::set_user_tables(memory.root, asid::current(&memory.tag)),
        None => mmu::set_user_tables(EMPTY_TABLE.get().copied().unwrap_or(0), 0),
    }
}

/// A file's pages, for mapping. Keeps the file's inode.
pub struct FilePages {
    inode: Arc<dyn Inode>,
    path: Option<Path>,
    write: bool,
}

impl FilePages {
    /// The pages of a file; `write` for shared mappings that may be written.
    pub fn new(inode: Arc<dyn Inode>, path: Option<Path>, write: bool) -> Self {
        FilePages { inode, path, write }
    }
}

impl MapSource<Arm> for FilePages {
    fn page(&self, index: u64) -> Result<Page> {
        match self.inode.page(index, self.write) {
            Ok(page) => FramePage::page_of(&page).ok_or(Errno::ENODEV),
            Err(Errno::EFAULT) => Err(Errno::ENXIO),
            Err(Errno::ENODEV) if !self.write => self.read_page(index),
            Err(error) => Err(error),
        }
    }

    fn mark_dirty(&self, index: u64) {
        // Asking for the page to be written makes it dirty; that it is there
        // was seen when it was mapped.
        let _ = self.inode.page(index, true);
    }

    fn name(&self) -> String {
        let Some(path) = &self.path else {
            return String::new();
        };
        super::vfs::path_name(path)
    }
}

impl FilePages {
    /// A private copy, from a filesystem whose pages cannot be mapped.
    fn read_page(&self, index: u64) -> Result<Page> {
        let page = Page::zeroed().ok_or(Errno::ENOMEM)?;
        let mut buffer = [0u8; 512];
        let start = index * paddock_vm::PAGE_SIZE;
        let mut done = 0;
        while done < paddock_vm::PAGE_SIZE as usize {
            let count = self.inode.read_at(start + done as u64, &mut buffer)?;
            if count == 0 {
                break;
            }
            page.write(done, &buffer[..count]);
            done += count;
        }
        if done == 0 { Err(Errno::ENXIO) } else { Ok(page) }
    }
}

/// One page that every program finds at the same place.
pub struct FixedPage {
    page: Page,
    name: &'static str,
}

impl FixedPage {
    /// The page to be shown.
    pub fn new(page: Page, name: &'static str) -> Self {
        FixedPage { page, name }
    }
}

impl MapSource<Arm> for FixedPage {
    fn page(&self, index: u64) -> Result<Page> {
        if index == 0 { Ok(self.page.clone()) } else { Err(Errno::ENXIO) }
    }

    fn mark_dirty(&self, _index: u64) {}

    fn name(&self) -> String {
        String::from(self.name)
    }
}
