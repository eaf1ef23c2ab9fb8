//! The address space itself: its areas, and mmap and its relatives.

use crate::tables::Tables;
use crate::{Area, Backing, Hardware, PAGE_SIZE, Page, Protection, USER_END, USER_MIN};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::AtomicU64;
use paddock_abi::{Errno, Result};

/// The most areas one address space may have.
const MAX_AREAS: usize = 65530;

/// Where a new mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Anywhere; near the address if it is free (0: no wish).
    Near(u64),
    /// Just there, in place of what is there.
    Fixed(u64),
    /// Just there, if nothing is there (`EEXIST`).
    FixedFree(u64),
}

/// What to map.
pub struct MapRequest<H: Hardware> {
    /// Where.
    pub placement: Placement,
    /// Bytes; rounded up to pages.
    pub length: u64,
    /// What is allowed.
    pub protection: Protection,
    /// Whether writes are seen by others who map the source.
    pub shared: bool,
    /// Whether it is a stack.
    pub grows_down: bool,
    /// Where pages come from.
    pub backing: Backing<H>,
    /// Its name in /proc/PID/maps, if it has no file.
    pub label: &'static str,
}

/// How much memory an address space takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all areas.
    pub virtual_bytes: u64,
    /// Pages that are present.
    pub resident_pages: u64,
}

/// A process's memory.
pub struct AddressSpace<H: Hardware> {
    areas: BTreeMap<u64, Area<H>>,
    tables: Tables<H>,
    heap_start: u64,
    heap_end: u64,
    map_top: u64,
    stack_limit: u64,
}

fn round_up(length: u64) -> Result<u64> {
    length.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)
}

impl<H: Hardware> AddressSpace<H> {
    /// An empty address space. `tag` is what the kernel keeps its hardware id
    /// in; its low 16 bits are the id.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(tag: Arc<AtomicU64>) -> Result<Self> {
        Ok(AddressSpace {
            areas: BTreeMap::new(),
            tables: Tables::new(tag).ok_or(Errno::ENOMEM)?,
            heap_start: 0,
            heap_end: 0,
            map_top: USER_END - (64 << 20),
            stack_limit: 8 << 20,
        })
    }

    /// Physical address of the top-level table.
    pub fn root(&self) -> u64 {
        self.tables.root()
    }

    /// The hardware id's cell.
    pub fn tag(&self) -> &Arc<AtomicU64> {
        self.tables.tag()
    }

    pub(crate) fn tables_mut(&mut self) -> &mut Tables<H> {
        &mut self.tables
    }

    pub(crate) fn stack_limit(&self) -> u64 {
        self.stack_limit
    }

    /// How large stacks may grow, in bytes.
    pub fn set_stack_limit(&mut self, limit: u64) {
        self.stack_limit = limit;
    }

    /// The area that contains an address.
    pub fn area_at(&self, address: u64) -> Option<&Area<H>> {
        self.area_before(address).filter(|area| address < area.end)
    }

    /// The last area that begins at or before an address.
    pub(crate) fn area_before(&self, address: u64) -> Option<&Area<H>> {
        self.areas.range(..=address).next_back().map(|(_, area)| area)
    }

    /// The first area that begins after an address.
    pub(crate) fn area_after(&self, address: u64) -> Option<&Area<H>> {
        self.areas.range(address + 1..).next().map(|(_, area)| area)
    }

    /// All areas by rising address.
    pub fn areas(&self) -> impl Iterator<Item = &Area<H>> {
        self.areas.values()
    }

    /// What it takes.
    pub fn usage(&self) -> Usage {
        Usage {
            virtual_bytes: self.areas.values().map(|area| area.end - area.start).sum(),
            resident_pages: self.tables.pages(),
        }
    }

    pub(crate) fn extend_down(&mut self, start: u64, to: u64) {
        if let Some(mut area) = self.areas.remove(&start) {
            area.start = to;
            self.areas.insert(to, area);
        }
    }

    fn is_free(&self, start: u64, end: u64) -> bool {
        self.area_before(end - 1).is_none_or(|area| area.end <= start)
    }

    /// The highest free range of this length below `map_top`.
    fn find_free(&self, length: u64) -> Option<u64> {
        let mut top = self.map_top;
        for area in self.areas.values().rev() {
            if area.start >= top {
                continue;
            }
            if area.end < top && top - area.end >= length {
                break;
            }
            top = top.min(area.start);
        }
        let start = top.checked_sub(length)?;
        (start >= USER_MIN && self.is_free(start, top)).then_some(start)
    }

    fn place(&mut self, placement: Placement, length: u64) -> Result<u64> {
        let within = |at: u64| {
            at.is_multiple_of(PAGE_SIZE) && at.checked_add(length).is_some_and(|end| end <= USER_END)
        };
        match placement {
            Placement::Near(wish) => {
                let wish = wish & !(PAGE_SIZE - 1);
                if wish >= USER_MIN && within(wish) && self.is_free(wish, wish + length) {
                    return Ok(wish);
                }
                self.find_free(length).ok_or(Errno::ENOMEM)
            }
            Placement::Fixed(at) | Placement::FixedFree(at) => {
                if !at.is_multiple_of(PAGE_SIZE) {
                    return Err(Errno::EINVAL);
                }
                if !within(at) {
                    return Err(Errno::ENOMEM);
                }
                if at < USER_MIN {
                    return Err(Errno::EPERM);
                }
                if placement == Placement::Fixed(at) {
                    self.unmap(at, length)?;
                } else if !self.is_free(at, at + length) {
                    return Err(Errno::EEXIST);
                }
                Ok(at)
            }
        }
    }

    /// mmap(2): the address of the new area.
    ///
    /// # Errors
    /// `EINVAL` for no length or a bad address, `ENOMEM`, `EEXIST`, `EPERM`.
    pub fn map(&mut self, request: MapRequest<H>) -> Result<u64> {
        if request.length == 0 {
            return Err(Errno::EINVAL);
        }
        let length = round_up(request.length)?;
        if self.areas.len() >= MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        let start = self.place(request.placement, length)?;
        self.insert(Area {
            start,
            end: start + length,
            protection: request.protection,
            shared: request.shared,
            grows_down: request.grows_down,
            backing: request.backing,
            label: request.label,
        });
        Ok(start)
    }

    /// Adds an area to a free range, joined with its neighbours if it only
    /// continues them.
    fn insert(&mut self, mut area: Area<H>) {
        if let Some(before) = area.start.checked_sub(1).and_then(|last| self.area_at(last))
            && before.continues(&area)
        {
            let start = before.start;
            self.areas.remove(&start);
            area.start = start;
        }
        if let Some(after) = self.areas.get(&area.end)
            && area.continues(after)
        {
            let (start, end) = (after.start, after.end);
            self.areas.remove(&start);
            area.end = end;
        }
        self.areas.insert(area.start, area);
    }

    /// Cuts areas so that one begins at `at`, if any contains it.
    fn split_at(&mut self, at: u64) -> Result<()> {
        let Some(area) = self.area_at(at) else {
            return Ok(());
        };
        if area.start == at {
            return Ok(());
        }
        if self.areas.len() >= MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        let (low, high) = (area.part(area.start, at), area.part(at, area.end));
        self.areas.insert(low.start, low);
        self.areas.insert(high.start, high);
        Ok(())
    }

    fn check_range(start: u64, length: u64) -> Result<u64> {
        if !start.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let end = start.checked_add(round_up(length)?).ok_or(Errno::EINVAL)?;
        if end > USER_END { Err(Errno::EINVAL) } else { Ok(end) }
    }

    /// munmap(2).
    ///
    /// # Errors
    /// `EINVAL` for a bad range, `ENOMEM`.
    pub fn unmap(&mut self, start: u64, length: u64) -> Result<()> {
        let end = Self::check_range(start, length)?;
        if start == end {
            return Err(Errno::EINVAL);
        }
        self.split_at(start)?;
        self.split_at(end)?;
        while let Some((&at, area)) = self.areas.range(start..end).next() {
            let area_end = area.end;
            self.tables.for_each(at, area_end, &mut |_, _, _| None);
            self.areas.remove(&at);
        }
        Ok(())
    }

    /// mprotect(2).
    ///
    /// # Errors
    /// `ENOMEM` if part of the range is not mapped, `EINVAL`.
    pub fn protect(&mut self, start: u64, length: u64, protection: Protection) -> Result<()> {
        let end = Self::check_range(start, length)?;
        let mut at = start;
        while at < end {
            at = self.area_at(at).ok_or(Errno::ENOMEM)?.end;
        }
        self.split_at(start)?;
        self.split_at(end)?;
        let starts: alloc::vec::Vec<u64> = self.areas.range(start..end).map(|(&at, _)| at).collect();
        for at in starts {
            let Some(mut area) = self.areas.remove(&at) else {
                continue;
            };
            area.protection = protection;
            // Pages that may be shared with others stay read-only until the
            // next write faults.
            self.tables.for_each(area.start, area.end, &mut |_, _, writable| {
                Some(if writable { protection } else { protection - Protection::WRITE })
            });
            self.insert(area);
        }
        Ok(())
    }

    /// madvise(2), MADV_DONTNEED: the pages are forgotten, the areas stay.
    ///
    /// # Errors
    /// `ENOMEM` if part of the range is not mapped, `EINVAL`.
    pub fn forget(&mut self, start: u64, length: u64) -> Result<()> {
        let end = Self::check_range(start, length)?;
        let mut at = start;
        while at < end {
            at = self.area_at(at).ok_or(Errno::ENOMEM)?.end;
        }
        self.tables.for_each(start, end, &mut |_, _, _| None);
        Ok(())
    }

    /// mremap(2): resizes the mapping at `old`, moving it if it must and
    /// `may_move`.
    ///
    /// # Errors
    /// `EFAULT` if the old range is not one mapping, `ENOMEM`, `EINVAL`.
    pub fn remap(&mut self, old: u64, old_length: u64, new_length: u64, may_move: bool) -> Result<u64> {
        let old_end = Self::check_range(old, old_length)?;
        let new_length = round_up(new_length)?;
        let old_length = old_end - old;
        if new_length == 0 || old_length == 0 {
            return Err(Errno::EINVAL);
        }
        if new_length <= old_length {
            if new_length < old_length {
                self.unmap(old + new_length, old_length - new_length)?;
            }
            return Ok(old);
        }
        let area = self.area_at(old).filter(|area| old_end <= area.end).ok_or(Errno::EFAULT)?.clone();
        let grown_end = old.checked_add(new_length).ok_or(Errno::ENOMEM)?;
        if area.end == old_end && grown_end <= USER_END && self.is_free(old_end, grown_end) {
            if let Some(area) = self.areas.get_mut(&area.start) {
                area.end = grown_end;
            }
            return Ok(old);
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        self.move_area(&area.part(old, old_end), new_length)
    }

    fn move_area(&mut self, area: &Area<H>, new_length: u64) -> Result<u64> {
        let to = self.find_free(new_length).ok_or(Errno::ENOMEM)?;
        let mut moved = area.clone();
        moved.start = to;
        moved.end = to + new_length;
        let mut address = area.start;
        while address < area.end {
            if let Some((page, writable)) = self.tables.get(address) {
                let protection = if writable { area.protection } else { area.protection - Protection::WRITE };
                let at = to + (address - area.start);
                if self.tables.set(at, page, protection).is_none() {
                    self.tables.for_each(to, to + new_length, &mut |_, _, _| None);
                    return Err(Errno::ENOMEM);
                }
            }
            address += PAGE_SIZE;
        }
        self.areas.insert(to, moved);
        self.unmap(area.start, area.end - area.start)?;
        Ok(to)
    }

    /// Where brk(2)'s heap begins; execve sets it.
    pub fn set_heap_start(&mut self, start: u64) {
        self.heap_start = start.next_multiple_of(PAGE_SIZE);
        self.heap_end = self.heap_start;
    }

    /// brk(2): moves the heap's end if it can; returns where it is.
    pub fn set_heap_end(&mut self, wish: u64) -> u64 {
        if wish < self.heap_start || wish > USER_END - PAGE_SIZE {
            return self.heap_end;
        }
        let (old, new) = (self.heap_end.next_multiple_of(PAGE_SIZE), wish.next_multiple_of(PAGE_SIZE));
        let moved = if new > old {
            self.map(MapRequest {
                placement: Placement::FixedFree(old),
                length: new - old,
                protection: Protection::READ | Protection::WRITE,
                shared: false,
                grows_down: false,
                backing: Backing::Anonymous,
                label: "[heap]",
            })
            .map(|_| ())
        } else if new < old {
            self.unmap(new, old - new)
        } else {
            Ok(())
        };
        if moved.is_ok() {
            self.heap_end = wish;
        }
        self.heap_end
    }

    /// fork(2): a copy that shares every page, copied on the next write of
    /// either side.
    ///
    /// # Errors
    /// `ENOMEM`; this address space is then as it was.
    pub fn fork(&mut self, tag: Arc<AtomicU64>) -> Result<Self> {
        let AddressSpace { areas, tables, heap_start, heap_end, map_top, stack_limit } = self;
        let mut child = AddressSpace {
            areas: BTreeMap::new(),
            tables: Tables::new(tag).ok_or(Errno::ENOMEM)?,
            heap_start: *heap_start,
            heap_end: *heap_end,
            map_top: *map_top,
            stack_limit: *stack_limit,
        };
        for area in areas.values() {
            child.areas.insert(area.start, area.clone());
            let mut enough = true;
            let shared = area.shared;
            let for_child = &mut child.tables;
            tables.for_each(area.start, area.end, &mut |address, page, writable| {
                let keep = if writable { area.protection } else { area.protection - Protection::WRITE };
                if !enough {
                    return Some(keep);
                }
                let both = if shared { keep } else { keep - Protection::WRITE };
                // Executable pages were published when they were mapped.
                enough = for_child.set(address, page.clone(), both).is_some();
                Some(if enough { both } else { keep })
            });
            if !enough {
                return Err(Errno::ENOMEM);
            }
        }
        Ok(child)
    }

    /// Puts bytes into the space, bringing pages in as a write of the kernel's
    /// own (a program's segments and first stack), whatever their protection.
    ///
    /// # Errors
    /// `EFAULT` outside all areas, `ENOMEM`.
    pub fn write(&mut self, mut address: u64, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let offset = (address % PAGE_SIZE) as usize;
            let part = bytes.len().min(PAGE_SIZE as usize - offset);
            self.private_page(address - offset as u64)?.write(offset, &bytes[..part]);
            bytes = &bytes[part..];
            address += part as u64;
        }
        Ok(())
    }

    /// Clears bytes, as [`AddressSpace::write`] writes them.
    ///
    /// # Errors
    /// As there.
    pub fn clear(&mut self, address: u64, length: u64) -> Result<()> {
        let mut at = address;
        let end = address.checked_add(length).ok_or(Errno::EFAULT)?;
        while at < end {
            let offset = (at % PAGE_SIZE) as usize;
            let part = (end - at).min(PAGE_SIZE - offset as u64);
            self.private_page(at - offset as u64)?.zero(offset, part as usize);
            at += part;
        }
        Ok(())
    }

    /// The page at an address, made this space's own.
    fn private_page(&mut self, address: u64) -> Result<Page<H>> {
        let area = self.area_at(address).ok_or(Errno::EFAULT)?.clone();
        if let Some((page, writable)) = self.tables.get(address) {
            if writable {
                return Ok(page);
            }
            let copy = page.copied().ok_or(Errno::ENOMEM)?;
            self.tables.set(address, copy.clone(), area.protection).ok_or(Errno::ENOMEM)?;
            return Ok(copy);
        }
        let page = match &area.backing {
            Backing::Anonymous => Page::zeroed().ok_or(Errno::ENOMEM)?,
            Backing::Source { source, first } => {
                let index = first + (address - area.start) / PAGE_SIZE;
                source.page(index)?.copied().ok_or(Errno::ENOMEM)?
            }
        };
        self.tables.set(address, page.clone(), area.protection).ok_or(Errno::ENOMEM)?;
        Ok(page)
    }
}
