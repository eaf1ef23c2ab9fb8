//! Page faults.

use super::AddressSpace;
use super::change::borrow_frame;
use super::map::STACK_GUARD;
use crate::activate::Root;
use crate::address::{PAGE_SIZE, PageRange, page_of, user_range_ok};
use crate::entry::{Entry, Rights};
use crate::frame::{Frame, SharedFrame};
use crate::hardware::{Hardware, Purpose};
use crate::source::{MapError, MapSource};
use crate::tables::{Flush, Slot};
use crate::vma::{Backing, Vma, VmaKind};
use alloc::sync::Arc;
use core::fmt;
use paddock_sync::{Mutex, might_sleep};

/// Pages that a read fault of a source looks at around the one asked for; a
/// power of two, aligned.
const AROUND: u64 = 16;

/// What was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

impl Access {
    pub(super) fn needs(self) -> Rights {
        match self {
            Access::Read => Rights::READ,
            Access::Write => Rights::READ | Rights::WRITE,
            Access::Execute => Rights::READ | Rights::EXECUTE,
        }
    }
}

/// Why an access cannot be made good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// No area: `SIGSEGV`, `SEGV_MAPERR`.
    NotMapped,
    /// The area does not allow it: `SIGSEGV`, `SEGV_ACCERR`.
    NotAllowed,
    /// The source has no such page: `SIGBUS`, `BUS_ADRERR`.
    Bus,
    /// No memory for the page or its tables.
    OutOfMemory,
}

impl From<MapError> for FaultError {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Bus => FaultError::Bus,
            MapError::OutOfMemory => FaultError::OutOfMemory,
        }
    }
}

impl From<FaultError> for paddock_abi::Errno {
    /// What a system call says whose argument points there.
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::NotMapped | FaultError::NotAllowed | FaultError::Bus => Self::EFAULT,
            FaultError::OutOfMemory => Self::ENOMEM,
        }
    }
}

/// What a fault came to.
#[derive(Debug)]
pub enum Step<H: Hardware> {
    /// The access can be tried again.
    Done,
    /// First a page has to come from its source: see [`PageRequest`].
    Fetch(PageRequest<H>),
}

/// A page that a fault needs from a source. Getting it may take a disk's
/// time, so it is done without the address space's lock;
/// [`AddressSpace::commit`] looks again at what is mapped by then.
pub struct PageRequest<H: Hardware> {
    source: Arc<dyn MapSource<H>>,
    index: u64,
    write: bool,
    address: u64,
    access: Access,
}

impl<H: Hardware> fmt::Debug for PageRequest<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PageRequest(page {} for {:#x})",
            self.index, self.address
        )
    }
}

impl<H: Hardware> PageRequest<H> {
    /// Gets the page. May sleep.
    ///
    /// # Errors
    /// Those of the source.
    pub fn fetch(&self) -> Result<SharedFrame<H>, FaultError> {
        Ok(self.source.page(self.index, self.write)?)
    }
}

/// Handles a fault from its beginning to its end, holding the lock only
/// while the source is not asked. May sleep.
///
/// # Errors
/// Why the access cannot be made good.
#[track_caller]
pub fn handle_fault<H: Hardware>(
    space: &Mutex<AddressSpace<H>>,
    address: u64,
    access: Access,
) -> Result<(), FaultError> {
    might_sleep();
    loop {
        let request = match space.lock().fault(address, access)? {
            Step::Done => return Ok(()),
            Step::Fetch(request) => request,
        };
        let page = request.fetch()?;
        if space.lock().commit(&request, page)? {
            return Ok(());
        }
    }
}

/// Touches all pages of a range in advance (`MAP_POPULATE`,
/// `MADV_POPULATE_READ` and `_WRITE`). May sleep.
///
/// # Errors
/// Those of the first page that cannot be had.
pub fn populate<H: Hardware>(
    space: &Mutex<AddressSpace<H>>,
    range: PageRange,
    access: Access,
) -> Result<(), FaultError> {
    let mut address = range.start();
    while address < range.end() {
        handle_fault(space, address, access)?;
        address += PAGE_SIZE;
    }
    Ok(())
}

/// The page that a fault is about, with all that is needed to change it.
struct Site<'a, H: Hardware> {
    address: u64,
    area: &'a Vma<H>,
    slot: Slot<'a>,
    root: &'a Root<H>,
}

impl<H: Hardware> AddressSpace<H> {
    /// The first half of a fault at `address`. Never waits for a source.
    ///
    /// # Errors
    /// Why the access cannot be made good.
    pub fn fault(&mut self, address: u64, access: Access) -> Result<Step<H>, FaultError> {
        let mut site = self.site(address, access)?;
        if site.slot.get().is_held() {
            return site.touch_present(access);
        }
        let Some((source, index)) = site.source() else {
            site.install_new()?;
            return Ok(Step::Done);
        };
        let cached = match access {
            Access::Write if site.area.tracked().is_some() => None,
            _ => source.cached(index),
        };
        let Some(page) = cached else {
            return site.request(access);
        };
        site.install_from_source(page, access)?;
        self.map_around(address, access);
        Ok(Step::Done)
    }

    /// The second half: puts in place what the request got. False if the
    /// address space has changed meanwhile, and the fault is to begin anew.
    ///
    /// # Errors
    /// Why the access cannot be made good.
    pub fn commit(
        &mut self,
        request: &PageRequest<H>,
        page: SharedFrame<H>,
    ) -> Result<bool, FaultError> {
        let mut site = self.site(request.address, request.access)?;
        let same = site.source().is_some_and(|(source, index)| {
            Arc::ptr_eq(source, &request.source) && index == request.index
        });
        if !same || request.write != site.must_report(request.access) {
            return Ok(false);
        }
        if !request.source.has(request.index) {
            return Err(FaultError::Bus);
        }
        let entry = site.slot.get();
        if entry.is_held() {
            return site.commit_present(entry, page, request.access);
        }
        site.install_from_source(page, request.access)?;
        self.map_around(request.address, request.access);
        Ok(true)
    }

    /// Gives the page at `address`, of a private area, a frame of its own,
    /// whatever the protection; or says what to fetch for that.
    pub(super) fn make_own(&mut self, address: u64) -> Result<Option<PageRequest<H>>, FaultError> {
        let mut site = self.site_for(address, Rights::empty())?;
        if site.area.shared {
            return Err(FaultError::NotAllowed);
        }
        let entry = site.slot.get();
        if entry.is_held() {
            site.break_copy_on_write(entry)?;
        } else if site.source().is_none() {
            site.install_new()?;
        } else if let Step::Fetch(request) = site.request(Access::Write)? {
            return Ok(Some(request));
        }
        Ok(None)
    }

    /// Puts a copy of what the request got in place.
    pub(super) fn commit_own(
        &mut self,
        request: &PageRequest<H>,
        page: SharedFrame<H>,
    ) -> Result<(), FaultError> {
        let mut site = self.site_for(request.address, Rights::empty())?;
        if site.area.shared || site.slot.get().is_held() {
            return Ok(());
        }
        if !request.source.has(request.index) {
            return Err(FaultError::Bus);
        }
        site.install_from_source(page, Access::Write)
    }

    fn site(&mut self, address: u64, access: Access) -> Result<Site<'_, H>, FaultError> {
        self.site_for(address, access.needs())
    }

    fn site_for(&mut self, address: u64, needs: Rights) -> Result<Site<'_, H>, FaultError> {
        let address = page_of(address);
        if !user_range_ok(address, PAGE_SIZE) {
            return Err(FaultError::NotMapped);
        }
        let index = self.area_for(address)?;
        let area = self.areas.get(index).ok_or(FaultError::NotMapped)?;
        if !area.rights().contains(needs) {
            return Err(FaultError::NotAllowed);
        }
        let (slot, root) = self
            .tables
            .slot_or_new(address)
            .ok_or(FaultError::OutOfMemory)?;
        Ok(Site {
            address,
            area,
            slot,
            root,
        })
    }

    /// The index of the area that holds `page`, after a stack has grown to it
    /// if that is possible.
    fn area_for(&mut self, page: u64) -> Result<usize, FaultError> {
        let index = self.areas.position(page);
        let area = self.areas.get(index).ok_or(FaultError::NotMapped)?;
        if !area.range.contains(page) {
            self.grow_stack(index, page)?;
        }
        Ok(index)
    }

    fn grow_stack(&mut self, index: usize, page: u64) -> Result<(), FaultError> {
        let limits = self.limits;
        let below = index.checked_sub(1).and_then(|below| self.areas.get(below));
        // An area that nobody can touch is a guard itself.
        let floor = below.map_or(crate::USER_MIN, |below| match below.prot.is_empty() {
            true => below.range.end(),
            false => below.range.end().saturating_add(STACK_GUARD),
        });
        let area = self.areas.get_mut(index).ok_or(FaultError::NotMapped)?;
        let growth = area.range.start() - page;
        let mapped = self.tables.counts().get().mapped * PAGE_SIZE;
        let allowed = area.kind == VmaKind::Stack
            && page >= floor
            && area.range.end() - page <= limits.stack
            && mapped.saturating_add(growth) <= limits.address_space;
        if !allowed {
            return Err(FaultError::NotMapped);
        }
        self.tables.counts().area_went(area);
        area.range = PageRange::of(page, area.range.end());
        self.tables.counts().area_came(area);
        Ok(())
    }

    /// Maps what the source has at hand around a page that was read, so that
    /// the neighbours need no faults of their own. Never fails: what cannot
    /// be had is left out.
    fn map_around(&mut self, address: u64, access: Access) {
        let Some(area) = self.areas.find(address) else {
            return;
        };
        let (Access::Read | Access::Execute, Backing::Source { source, .. }) =
            (access, &area.backing)
        else {
            return;
        };
        let start = address & !(AROUND * PAGE_SIZE - 1);
        let window = PageRange::of(start, start + AROUND * PAGE_SIZE);
        let Some(range) = window.intersect(&area.range) else {
            return;
        };
        let mut rights = area.rights();
        if !area.shared || source.tracks_writes() {
            rights.remove(Rights::WRITE);
        }
        let mut found = false;
        for (page, slot) in self.tables.leaf_slots(range) {
            if slot.get().is_held() {
                continue;
            }
            let Some(frame) = source.cached(area.index_of(page)) else {
                continue;
            };
            fill(slot, frame, rights, false);
            self.tables.counts().page_came(false);
            found = true;
        }
        if found {
            H::publish_entries();
        }
    }
}

/// Fills an empty slot.
fn fill<H: Hardware>(slot: Slot<'_>, frame: SharedFrame<H>, rights: Rights, own: bool) {
    debug_assert!(!slot.get().is_held());
    if rights.contains(Rights::EXECUTE) {
        frame.publish_code();
    }
    let nothing = slot.set(Entry::page(frame.into_address(), rights, own));
    debug_assert!(nothing.is_nothing());
}

impl<'a, H: Hardware> Site<'a, H> {
    fn source(&self) -> Option<(&'a Arc<dyn MapSource<H>>, u64)> {
        match &self.area.backing {
            Backing::Anonymous => None,
            Backing::Source { source, .. } => Some((source, self.area.index_of(self.address))),
        }
    }

    /// Whether this access changes a page of a source that must know.
    fn must_report(&self, access: Access) -> bool {
        access == Access::Write && self.area.tracked().is_some()
    }

    fn request(&self, access: Access) -> Result<Step<H>, FaultError> {
        let (source, index) = self.source().ok_or(FaultError::NotAllowed)?;
        Ok(Step::Fetch(PageRequest {
            source: source.clone(),
            index,
            write: self.must_report(access),
            address: self.address,
            access,
        }))
    }

    /// Puts a page in an empty slot.
    fn install(&mut self, frame: SharedFrame<H>, rights: Rights, own: bool) {
        fill(self.slot, frame, rights, own);
        H::publish_entries();
        self.root.counts().page_came(own);
    }

    fn install_new(&mut self) -> Result<(), FaultError> {
        let frame = Frame::zeroed(Purpose::Private).ok_or(FaultError::OutOfMemory)?;
        self.install(frame.share(), self.area.rights(), true);
        Ok(())
    }

    fn install_from_source(
        &mut self,
        page: SharedFrame<H>,
        access: Access,
    ) -> Result<(), FaultError> {
        let mut rights = self.area.rights();
        if !self.area.shared && access == Access::Write {
            let copy = Frame::copy_of(&page).ok_or(FaultError::OutOfMemory)?;
            self.install(copy.share(), rights, true);
            return Ok(());
        }
        if !self.area.shared || self.area.tracked().is_some() && access != Access::Write {
            rights.remove(Rights::WRITE);
        }
        self.install(page, rights, false);
        Ok(())
    }

    /// A fault on a page that is there: copy on write, or the first write to
    /// a shared file's page.
    fn touch_present(&mut self, access: Access) -> Result<Step<H>, FaultError> {
        let entry = self.slot.get();
        if entry.rights().contains(access.needs()) {
            // Somebody else was faster.
            Flush::page(self.address).run(self.root);
            return Ok(Step::Done);
        }
        if self.must_report(access) {
            return self.request(access);
        }
        if access == Access::Write && !self.area.shared {
            self.break_copy_on_write(entry)?;
        } else {
            self.set_rights(entry, self.area.rights());
        }
        Ok(Step::Done)
    }

    /// The page becomes this address space's alone. Whether it is shared is
    /// decided here, under the lock: nobody can share a page of which this
    /// entry has the only share.
    fn break_copy_on_write(&mut self, entry: Entry) -> Result<(), FaultError> {
        let rights = self.area.rights();
        if borrow_frame(entry, SharedFrame::<H>::is_unique) {
            self.root.counts().page_went(entry.is_own());
            self.root.counts().page_came(true);
            self.set_rights(entry.owned(), rights);
            return Ok(());
        }
        let copy = borrow_frame(entry, Frame::<H>::copy_of).ok_or(FaultError::OutOfMemory)?;
        self.replace(copy.share(), rights, true);
        Ok(())
    }

    /// The same page with other rights, and perhaps another owner.
    fn set_rights(&mut self, entry: Entry, rights: Rights) {
        if rights.contains(Rights::EXECUTE) {
            borrow_frame(entry, SharedFrame::<H>::publish_code);
        }
        self.slot.set(entry.with_rights(rights)).run(self.root);
        H::publish_entries();
    }

    /// Another page: break, flush, make; and only then is the old one let go.
    fn replace(&mut self, frame: SharedFrame<H>, rights: Rights, own: bool) {
        let old = self.slot.get();
        self.slot.set(Entry::EMPTY).run(self.root);
        self.root.counts().page_went(old.is_own());
        self.install(frame, rights, own);
        // SAFETY: the old entry's share, which is in no table any more.
        drop(unsafe { SharedFrame::<H>::from_address(old.frame()) });
    }

    /// A fetched page for an entry that is held: if it is the same page it
    /// becomes writable, otherwise the source has replaced it.
    fn commit_present(
        &mut self,
        entry: Entry,
        page: SharedFrame<H>,
        access: Access,
    ) -> Result<bool, FaultError> {
        if !self.must_report(access) {
            return Ok(false);
        }
        if entry.frame() == page.address() {
            self.set_rights(entry, self.area.rights());
        } else {
            self.replace(page, self.area.rights(), false);
        }
        Ok(true)
    }
}
