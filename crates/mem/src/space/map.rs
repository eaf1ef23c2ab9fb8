//! mmap(2), munmap(2) and where mappings go.

use super::change::report_written;
use super::{AddressSpace, Limits};
use crate::address::{PAGE_SIZE, PageRange, USER_MIN};
use crate::gather::Gather;
use crate::hardware::Hardware;
use crate::shared::SharedMemory;
use crate::source::{Attached, MapSource};
use crate::vma::{Backing, Vma, VmaKind};
use alloc::sync::Arc;
use core::fmt;
use paddock_abi::mman::{MAP_SHARED_VALIDATE, MAP_TYPE, MapFlags, Prot};
use paddock_abi::{Errno, Result};

/// Linux keeps this many pages free below a stack.
pub(super) const STACK_GUARD: u64 = 256 * PAGE_SIZE;

/// The arguments of mmap(2).
pub struct MapRequest<H: Hardware> {
    /// Wanted address; 0 for none.
    pub address: u64,
    /// Bytes; rounded up to pages.
    pub length: u64,
    /// Protection.
    pub prot: Prot,
    /// Flags. `MAP_POPULATE` and `MAP_LOCKED` are the caller's, see
    /// [`crate::populate`].
    pub flags: MapFlags,
    /// The object and the offset in it in bytes; `None` for anonymous memory.
    pub source: Option<(Arc<dyn MapSource<H>>, u64)>,
    /// What the way the object was opened allows (ignored for anonymous
    /// memory). Checked here against `prot`, and by mprotect(2) later.
    pub may: Prot,
}

impl<H: Hardware> fmt::Debug for MapRequest<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapRequest")
            .field("address", &self.address)
            .field("length", &self.length)
            .field("prot", &self.prot)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

impl<H: Hardware> MapRequest<H> {
    /// Private anonymous memory, anywhere.
    pub fn anonymous(length: u64, prot: Prot) -> Self {
        MapRequest {
            address: 0,
            length,
            prot,
            flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS,
            source: None,
            may: Prot::all(),
        }
    }

    /// At exactly this address, in place of what is there.
    pub fn fixed_at(mut self, address: u64) -> Self {
        self.address = address;
        self.flags |= MapFlags::FIXED;
        self
    }

    fn shared(&self) -> Result<bool> {
        match self.flags.bits() & MAP_TYPE {
            kind if kind == MapFlags::PRIVATE.bits() => Ok(false),
            kind if kind == MapFlags::SHARED.bits() => Ok(true),
            MAP_SHARED_VALIDATE => Ok(true),
            _ => Err(Errno::EINVAL),
        }
    }

    fn backing(&self, length: u64) -> Result<Backing<H>> {
        let (source, offset) = match &self.source {
            Some((source, offset)) => (source.clone(), *offset),
            None if self.shared()? => {
                let memory: Arc<dyn MapSource<H>> = SharedMemory::new(length)?;
                (memory, 0)
            }
            None => return Ok(Backing::Anonymous),
        };
        if !offset.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if offset
            .checked_add(length)
            .is_none_or(|end| end > i64::MAX as u64)
        {
            return Err(Errno::EOVERFLOW);
        }
        let first = offset / PAGE_SIZE;
        Ok(Backing::Source {
            source: Attached::new(source),
            first,
        })
    }

    /// The most that mprotect(2) may ever allow, if `prot` is within it.
    fn may(&self, shared: bool) -> Result<Prot> {
        let all = Prot::READ | Prot::WRITE | Prot::EXEC;
        let may = match &self.source {
            None => all,
            // Writes to a private mapping never reach the file.
            Some(_) if !shared => self.may | Prot::WRITE,
            Some(_) => self.may,
        };
        let readable = self.source.is_none() || self.may.contains(Prot::READ);
        if !readable || !may.contains(self.prot & all) {
            return Err(Errno::EACCES);
        }
        Ok(may & all)
    }
}

fn page_align(length: u64) -> Result<u64> {
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    length
        .checked_next_multiple_of(PAGE_SIZE)
        .filter(|&length| length <= crate::USER_END)
        .ok_or(Errno::ENOMEM)
}

impl<H: Hardware> AddressSpace<H> {
    /// mmap(2): maps what is asked for and says where. Nothing is read and no
    /// page is made before it is touched. May sleep.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `EEXIST`, `EPERM`, `EOVERFLOW`, `ENOMEM` as in the
    /// manual.
    pub fn map(&mut self, request: &MapRequest<H>) -> Result<u64> {
        let length = page_align(request.length)?;
        let shared = request.shared()?;
        let may = request.may(shared)?;
        let range = self.place(request.address, length, request.flags)?;
        let kind = match request.flags.contains(MapFlags::GROWSDOWN) {
            true if shared || request.source.is_some() => return Err(Errno::EINVAL),
            true => VmaKind::Stack,
            false => VmaKind::Plain,
        };
        let area = Vma {
            range,
            prot: request.prot & (Prot::READ | Prot::WRITE | Prot::EXEC),
            may,
            shared,
            kind,
            no_fork: false,
            wiped: false,
            no_dump: false,
            policy: 0,
            locked: self.lock_future || request.flags.contains(MapFlags::LOCKED),
            backing: request.backing(length)?,
        };
        self.check_limits(&area, request.flags.contains(MapFlags::NORESERVE))?;
        self.put(area)?;
        Ok(range.start())
    }

    /// Maps the stack's first `length` bytes below the layout's top; it grows
    /// downwards from there. Returns the top.
    ///
    /// # Errors
    /// `ENOMEM`, `EINVAL`.
    pub fn map_stack(&mut self, length: u64, prot: Prot) -> Result<u64> {
        let length = page_align(length)?;
        let top = self.layout.stack_top;
        let start = top.checked_sub(length).ok_or(Errno::ENOMEM)?;
        let mut request = MapRequest::anonymous(length, prot).fixed_at(start);
        request.flags |= MapFlags::GROWSDOWN;
        self.map(&request)?;
        Ok(top)
    }

    /// munmap(2). May sleep.
    ///
    /// # Errors
    /// `EINVAL` for a range that is none, `ENOMEM` if an area cannot be cut
    /// in two.
    pub fn unmap(&mut self, address: u64, length: u64) -> Result<()> {
        let range = PageRange::new(address, length).ok_or(Errno::EINVAL)?;
        if self.areas.overlapping(range).is_empty() {
            return Ok(());
        }
        let indices = self.areas.isolate(range)?;
        self.remove_areas(indices);
        Ok(())
    }

    /// shmdt(2): unmaps what is left of the source whose first page was
    /// attached at `address`. May sleep.
    ///
    /// # Errors
    /// `EINVAL` if nothing was, `ENOMEM`.
    pub fn detach(&mut self, address: u64) -> Result<()> {
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let from = self.areas.position(address);
        let areas = self.areas.as_slice().get(from..).unwrap_or_default();
        let first = areas.iter().find_map(|area| area.attached_at(address));
        let (source, pages) = first.ok_or(Errno::EINVAL)?;
        let end = address.saturating_add(pages.saturating_mul(PAGE_SIZE));
        let mut at = address;
        while let Some(area) = self.areas.get(self.areas.position(at)) {
            let range = area.range;
            if range.start() >= end {
                break;
            }
            let same = area.attached_at(address);
            if same.is_some_and(|(other, _)| Arc::ptr_eq(&other, &source)) {
                self.unmap(range.start(), range.len())?;
            }
            at = range.end();
        }
        Ok(())
    }

    /// Removes whole areas, their pages, and the tables of those alone.
    fn remove_areas(&mut self, indices: core::ops::Range<usize>) {
        let (Some(first), Some(last)) = (
            self.areas.get(indices.start),
            indices
                .end
                .checked_sub(1)
                .and_then(|last| self.areas.get(last)),
        ) else {
            return;
        };
        let range = PageRange::of(first.range.start(), last.range.end());
        let mut gather = Gather::new(self.tables.root());
        for area in &self.areas.as_slice()[indices.clone()] {
            report_written(&self.tables, area, area.range);
            self.tables.counts().area_went(area);
        }
        self.zap(range, &mut gather);
        self.areas.remove(indices);
        let hole = self.areas.hole_around(range);
        self.tables.prune(hole, &mut gather);
    }

    /// Takes all pages in `range` out of the tables.
    pub(super) fn zap(&mut self, range: PageRange, gather: &mut Gather<H>) {
        let counts = self.tables.counts();
        self.tables.visit(range, |_, slot| {
            counts.page_went(slot.get().is_own());
            gather.take(slot);
        });
    }

    /// Puts an area in place of whatever is there.
    pub(super) fn put(&mut self, area: Vma<H>) -> Result<()> {
        let replaced = self.areas.overlapping(area.range);
        // Two cuts and the area itself: nothing can fail once something has
        // been taken away.
        self.areas.reserve(3)?;
        if !replaced.is_empty() {
            let indices = self.areas.isolate(area.range)?;
            self.remove_areas(indices);
        }
        self.tables.counts().area_came(&area);
        self.areas.insert(area);
        Ok(())
    }

    pub(super) fn check_limits(&self, area: &Vma<H>, no_reserve: bool) -> Result<()> {
        let Limits {
            address_space,
            data,
            stack: _,
            request,
        } = self.limits;
        let length = area.range.len();
        let fits = |pages: u64, limit: u64| {
            (pages * PAGE_SIZE)
                .checked_add(length)
                .is_some_and(|sum| sum <= limit)
        };
        let private = !area.shared && area.prot.contains(Prot::WRITE);
        let counts = private && area.kind != VmaKind::Stack;
        let held = self.counters();
        if !fits(held.mapped, address_space)
            || counts && !fits(held.data, data)
            || private && !no_reserve && length > request
        {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// Where a mapping of `length` bytes (whole pages) goes.
    pub(super) fn place(&self, address: u64, length: u64, flags: MapFlags) -> Result<PageRange> {
        if flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE) {
            return self.place_fixed(address, length, flags);
        }
        // A hint is rounded down, and taken if it is free.
        let hint = crate::address::page_of(address);
        if let Some(range) = PageRange::new(hint, length)
            && self.is_free(range)
        {
            return Ok(range);
        }
        self.find_free(length).ok_or(Errno::ENOMEM)
    }

    fn place_fixed(&self, address: u64, length: u64, flags: MapFlags) -> Result<PageRange> {
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if address < USER_MIN {
            return Err(Errno::EPERM);
        }
        let range = PageRange::new(address, length).ok_or(Errno::ENOMEM)?;
        let replaces = !self.areas.overlapping(range).is_empty();
        if flags.contains(MapFlags::FIXED_NOREPLACE) && replaces {
            return Err(Errno::EEXIST);
        }
        Ok(range)
    }

    /// The address at which a mapping of `length` bytes would be placed.
    ///
    /// # Errors
    /// `ENOMEM`, `EINVAL` for no length.
    pub fn free_range(&self, length: u64) -> Result<u64> {
        let range = self.find_free(page_align(length)?);
        range.map(|range| range.start()).ok_or(Errno::ENOMEM)
    }

    /// Whether nothing is mapped in `range`, nor right below a stack.
    fn is_free(&self, range: PageRange) -> bool {
        let next = self.areas.get(self.areas.position(range.start()));
        next.is_none_or(|next| range.end() <= lower_end(next))
    }

    /// The highest free range below the layout's top, else the highest of
    /// all.
    fn find_free(&self, length: u64) -> Option<PageRange> {
        self.find_below(self.layout.map_top, length)
            .or_else(|| self.find_below(crate::USER_END, length))
    }

    fn find_below(&self, top: u64, length: u64) -> Option<PageRange> {
        // The lowest 64 KiB are left alone, as on Linux.
        const LOWEST: u64 = 0x1_0000;
        let mut end = top;
        let areas = self.areas.as_slice();
        let from = areas.partition_point(|area| area.range.start() < top);
        for area in areas[..from].iter().rev() {
            let start = area.range.end();
            if end >= start && end - start >= length {
                break;
            }
            end = end.min(lower_end(area));
        }
        let start = end.checked_sub(length)?;
        (start >= LOWEST).then(|| PageRange::of(start, end))
    }
}

/// Up to where others may come from below.
fn lower_end<H: Hardware>(area: &Vma<H>) -> u64 {
    match area.kind {
        VmaKind::Stack => area.range.start().saturating_sub(STACK_GUARD),
        _ => area.range.start(),
    }
}
