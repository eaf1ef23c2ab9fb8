//! A process's memory as the rest of the kernel sees it, and the one place
//! that switches the user half of the address space.

use super::aio::Contexts;
use super::hardware::{self, Arm, Page, zeroed_page};
use super::identity::DUMPABLE;
use super::object::{Process, UserThread};
use super::page_cache::FramePage;
use crate::arch::mmu;
use crate::cpus::{self, MAX_CPUS};
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use paddock_abi::{Errno, Result};
use paddock_cred::UserNamespace;
use paddock_mem::{
    Activator, AddressSpace, Counters, MapError, MapSource, PAGE_SIZE, Purpose, Root,
};
use paddock_sync::{IrqGuard, Mutex, OnceCell, Rank, try_arc};
use paddock_vfs::{Allocation, Inode, Path, Told, WritableMapping, WriteErrors};

/// Who wants to look at a process's memory a last time, called in the
/// thread that ends it.
type Observer = fn(&Process, &UserThread);

static OBSERVER: OnceCell<Observer> = OnceCell::new();

/// Has `observer` called before a process loses its memory to its end or to an
/// execve. Once; thread context.
pub fn observe_end(observer: Observer) {
    // A second one would be a mistake of `main`'s; the first one stays.
    let _ = OBSERVER.set(observer);
}

/// The memory of `process` goes now; `thread`, the running one, is of it.
/// May sleep.
pub(super) fn goes(process: &Process, thread: &UserThread) {
    if let Some(observer) = OBSERVER.get() {
        observer(process, thread);
    }
}

/// Hands out address-space identifiers.
static ACTIVATOR: Activator<{ crate::machine::MAX_CPUS }> = Activator::new(8);

/// An address space with its lock, and what a switch to it needs without one.
pub struct Memory {
    root: Arc<Root<Arm>>,
    /// The areas and page tables.
    pub space: Mutex<AddressSpace<Arm>>,
    /// Who may look into it (`PR_SET_DUMPABLE`).
    pub dumpable: AtomicU8,
    /// The user namespace whose capabilities are asked of who looks into it all the same.
    pub user_namespace: UserNamespace,
    /// No huge pages are wanted (`PR_SET_THP_DISABLE`): there are none in any case.
    pub no_huge_pages: AtomicBool,
    /// Contexts of asynchronous I/O.
    pub aio: Contexts,
}

impl Memory {
    /// Wraps an address space.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(space: AddressSpace<Arm>, user_namespace: UserNamespace) -> Result<Arc<Memory>> {
        try_arc(Memory {
            root: space.root().clone(),
            space: Mutex::new(Rank::AddressSpace, space),
            dumpable: AtomicU8::new(DUMPABLE),
            user_namespace,
            no_huge_pages: AtomicBool::new(false),
            aio: Contexts::new(),
        })
    }

    /// Keeps what a process has said of its memory for its child's, or its next program's.
    pub fn inherit(&self, old: &Memory) {
        let no_huge_pages = old.no_huge_pages.load(Ordering::Relaxed);
        self.no_huge_pages.store(no_huge_pages, Ordering::Relaxed);
    }

    /// How much it holds, without its lock: whoever has that may wait for
    /// memory. Never sleeps.
    pub fn counters(&self) -> Counters {
        self.root.counters()
    }

    /// A number for futexes that no other live address space has.
    pub fn id(&self) -> u64 {
        self.root.address().0
    }
}

/// Switches to an empty user half. Once, at boot.
pub fn init() {
    hardware::init();
    ACTIVATOR.set_bits(mmu::asid_bits());
    activate(None);
}

/// What each CPU has in its user half. Only the CPU itself touches its slot,
/// with interrupts masked.
struct ActiveRoots([UnsafeCell<Option<Arc<Root<Arm>>>>; MAX_CPUS]);

// SAFETY: each slot is one CPU's, as said above.
unsafe impl Sync for ActiveRoots {}

/// The root that a CPU has in use is alive, whatever becomes of its process
/// on another CPU: the hardware may read it at any time.
static ACTIVE: ActiveRoots = ActiveRoots([const { UnsafeCell::new(None) }; MAX_CPUS]);

/// Switches this CPU's user half to a process's memory, or to nothing. The one
/// place that does. Any context.
pub fn activate(memory: Option<&Memory>) {
    let masked = IrqGuard::new();
    let cpu = cpus::this_cpu();
    // SAFETY: this CPU's slot, and interrupts are masked.
    let active = unsafe { &mut *ACTIVE.0[cpu].get() };
    let root = memory.map(|memory| &memory.root);
    // SAFETY: this CPU stays the same, and the root is kept in its slot.
    unsafe { ACTIVATOR.activate(cpu, root.map(|root| &**root)) };
    let old = core::mem::replace(active, root.cloned());
    drop(masked);
    drop(old);
}

/// A file's pages, for mapping. Keeps the file's inode.
pub struct FilePages {
    inode: Arc<dyn Inode>,
    path: Option<Path>,
    /// Device and inode number.
    identity: (u64, u64),
    /// That the file can be written through this.
    writable: Option<WritableMapping>,
    /// Which errors of writing it back msync(2) has told.
    told: Told,
}

impl FilePages {
    /// The pages of a file. May sleep.
    ///
    /// # Errors
    /// Those of asking for the file's metadata.
    pub fn new(inode: Arc<dyn Inode>, path: Option<Path>) -> Result<Self> {
        let metadata = inode.metadata()?;
        let errors = inode.write_errors();
        let told = errors.map(WriteErrors::opened).unwrap_or_default();
        Ok(FilePages {
            told,
            inode,
            path,
            identity: (metadata.device, metadata.ino),
            writable: None,
        })
    }

    /// Keeps what counts them as written through, or nothing.
    pub fn set_writable(&mut self, writable: Option<WritableMapping>) {
        self.writable = writable;
    }

    /// A private copy, from a filesystem whose pages cannot be mapped.
    fn read_page(&self, index: u64) -> Result<Page> {
        let page = zeroed_page(Purpose::Private)?;
        let mut buffer = [0u8; 512];
        let start = index * PAGE_SIZE;
        let mut done = 0;
        while done < PAGE_SIZE as usize {
            let count = self
                .inode
                .read_at(start + done as u64, &mut (&mut buffer).into())?;
            if count == 0 {
                break;
            }
            page.write(done, &buffer[..count]);
            done += count;
        }
        if done == 0 {
            Err(Errno::EFAULT)
        } else {
            Ok(page)
        }
    }
}

impl MapSource<Arm> for FilePages {
    fn has(&self, index: u64) -> bool {
        if self.inode.write_count().is_none() {
            return true;
        }
        let size = self.inode.metadata().map_or(0, |metadata| metadata.size);
        index < size.div_ceil(PAGE_SIZE)
    }

    fn attached(&self) {
        if let Some(count) = self.inode.write_count() {
            count.mapped();
        }
    }

    fn detached(&self) {
        if let Some(count) = self.inode.write_count() {
            count.unmapped();
        }
    }

    fn sync(&self) -> Result<()> {
        let result = self.inode.sync_data();
        let errors = self.inode.write_errors();
        let told = errors.map_or(Ok(()), |errors| errors.check(&self.told));
        result.and(told)
    }

    fn remove(&self, first: u64, pages: u64) -> Result<()> {
        let (offset, length) = (first * PAGE_SIZE, pages * PAGE_SIZE);
        self.inode.allocate(Allocation::Punch, offset, length)
    }

    fn page(&self, index: u64, write: bool) -> core::result::Result<Page, MapError> {
        let page = match self.inode.page(index, write) {
            Ok(page) => FramePage::page_of(&page).ok_or(Errno::ENODEV),
            Err(Errno::ENODEV) if !write => self.read_page(index),
            Err(error) => Err(error),
        };
        page.map_err(|error| {
            if error == Errno::ENOMEM {
                MapError::OutOfMemory
            } else {
                MapError::Bus
            }
        })
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => super::vfs::write_path(f, path),
            None => Ok(()),
        }
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
    fn page(&self, index: u64, _write: bool) -> core::result::Result<Page, MapError> {
        let page = self.cached(index).ok_or(MapError::Bus)?;
        Ok(page)
    }

    fn cached(&self, index: u64) -> Option<Page> {
        (index == 0).then(|| self.page.try_clone()).flatten()
    }

    fn tracks_writes(&self) -> bool {
        false
    }

    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
