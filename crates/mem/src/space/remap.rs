//! mremap(2).

use super::AddressSpace;
use crate::address::{PAGE_SIZE, PageRange};
use crate::entry::Entry;
use crate::gather::Gather;
use crate::hardware::Hardware;
use crate::vma::{Vma, VmaKind};
use core::ops::Range;
use paddock_abi::mman::{MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, MapFlags};
use paddock_abi::{Errno, Result};

impl<H: Hardware> AddressSpace<H> {
    /// mremap(2): makes a mapping longer or shorter, or moves it, with its
    /// pages. With `MREMAP_DONTUNMAP` it moves, and where it was there are no pages
    /// any more. May sleep.
    ///
    /// # Errors
    /// `EINVAL`, `EFAULT`, `ENOMEM` as in the manual.
    pub fn remap(
        &mut self,
        address: u64,
        old_length: u64,
        new_length: u64,
        flags: u32,
        new_address: u64,
    ) -> Result<u64> {
        let fixed = flags & MREMAP_FIXED != 0;
        let may_move = flags & MREMAP_MAYMOVE != 0;
        let keeps = flags & MREMAP_DONTUNMAP != 0;
        if flags & !(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP) != 0
            || (fixed || keeps) && !may_move
            || keeps && old_length != new_length
        {
            return Err(Errno::EINVAL);
        }
        let new = PageRange::new(address, new_length).ok_or(Errno::EINVAL)?;
        if old_length == 0 {
            return self.duplicate(new, may_move, fixed.then_some(new_address));
        }
        let old = PageRange::new(address, old_length).ok_or(Errno::EINVAL)?;
        if keeps {
            return self.move_pages(old, new_address, fixed);
        }
        if fixed {
            return self.move_fixed(old, new.len(), new_address);
        }
        if new.len() <= old.len() {
            if !self.areas.cover(old) {
                return Err(Errno::EFAULT);
            }
            if new.len() < old.len() {
                self.unmap(new.end(), old.len() - new.len())?;
            }
            return Ok(address);
        }
        self.grow(old, new, may_move)
    }

    /// The one area that holds all of `range`.
    fn single_area(&self, range: PageRange) -> Result<&Vma<H>> {
        let area = self.areas.find(range.start()).ok_or(Errno::EFAULT)?;
        if area.range.end() < range.end() {
            return Err(Errno::EFAULT);
        }
        Ok(area)
    }

    fn grow(&mut self, old: PageRange, new: PageRange, may_move: bool) -> Result<u64> {
        let area = self.single_area(old)?;
        let growth = PageRange::of(old.end(), new.end());
        let added = area.part_at(growth, old.end());
        self.check_limits(&added, true)?;
        if area.range.end() == old.end() && self.areas.overlapping(growth).is_empty() {
            self.put(added)?;
            return Ok(old.start());
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        let target = self.place(0, new.len(), MapFlags::empty())?;
        self.move_to(old, target)
    }

    fn move_fixed(&mut self, old: PageRange, length: u64, address: u64) -> Result<u64> {
        let target = PageRange::new(address, length).ok_or(Errno::EINVAL)?;
        if target.intersect(&old).is_some() {
            return Err(Errno::EINVAL);
        }
        self.single_area(old)?;
        self.unmap(target.start(), target.len())?;
        let mut old = old;
        if length < old.len() {
            self.unmap(old.start() + length, old.len() - length)?;
            old = PageRange::of(old.start(), old.start() + length);
        } else if length > old.len() {
            let growth = PageRange::of(old.start(), old.start() + length - old.len());
            self.check_limits(&self.single_area(old)?.part_at(growth, old.start()), true)?;
        }
        self.move_to(old, target)
    }

    /// `MREMAP_DONTUNMAP`: the pages move to `wanted`, if that is free or `fixed` says so;
    /// the mapping stays, without them, and is not locked any more.
    fn move_pages(&mut self, old: PageRange, wanted: u64, fixed: bool) -> Result<u64> {
        let len = old.len();
        if PageRange::new(wanted & !(PAGE_SIZE - 1), len)
            .is_some_and(|target| target.intersect(&old).is_some())
        {
            return Err(Errno::EINVAL);
        }
        self.check_limits(&self.single_area(old)?.part_at(old, old.start()), true)?;
        let target = match fixed {
            true => PageRange::new(wanted, len).ok_or(Errno::EINVAL)?,
            false => self.place(wanted, len, MapFlags::empty())?,
        };
        if fixed {
            self.unmap(target.start(), len)?;
        }
        let area = self.single_area(old)?.part_at(target, old.start());
        let indices = self.isolate_to_move(old, target)?;
        drop(self.move_entries(old, target));
        for index in indices {
            if let Some(area) = self.areas.get_mut(index) {
                self.tables.counts().area_went(area);
                area.locked = false;
                self.tables.counts().area_came(area);
            }
        }
        self.areas.merge(old);
        self.put(area)?;
        Ok(target.start())
    }

    /// The area of `old` alone, and the tables that its pages need at `target`.
    fn isolate_to_move(&mut self, old: PageRange, target: PageRange) -> Result<Range<usize>> {
        // Two cuts here, and what `put` asks for.
        self.areas.reserve(5)?;
        let indices = self.areas.isolate(old)?;
        match self.prepare_tables(old, target) {
            Ok(()) => Ok(indices),
            Err(error) => {
                self.areas.merge(old);
                Err(error)
            }
        }
    }

    /// Puts the entries of `old` where they belong in `target`, whose tables are there.
    fn move_entries(&mut self, old: PageRange, target: PageRange) -> Gather<H> {
        let mut gather = Gather::new(self.tables.root());
        let tables = &self.tables;
        tables.visit(old, |address, slot| {
            let entry = slot.get();
            if let Some(new_slot) = tables.slot(address - old.start() + target.start()) {
                gather.add_flush(slot.set(Entry::EMPTY));
                gather.add_flush(new_slot.set(entry));
            }
        });
        H::publish_entries();
        gather
    }

    /// Moves the pages of `old` to the start of `target`, which is free and
    /// at least as long.
    fn move_to(&mut self, old: PageRange, target: PageRange) -> Result<u64> {
        let area = self.single_area(old)?.part_at(target, old.start());
        let indices = self.isolate_to_move(old, target)?;
        let mut gather = self.move_entries(old, target);
        for area in &self.areas.as_slice()[indices.clone()] {
            self.tables.counts().area_went(area);
        }
        self.areas.remove(indices);
        // Before the pruning, which must not take the target's tables.
        self.put(area)?;
        let hole = self.areas.hole_around(old);
        self.tables.prune(hole, &mut gather);
        Ok(target.start())
    }

    /// Makes the tables that the pages of `old` need at `target`.
    fn prepare_tables(&mut self, old: PageRange, target: PageRange) -> Result<()> {
        const TABLE: u64 = 512 * PAGE_SIZE;
        let end = target.start() + old.len();
        let mut at = target.start();
        while at < end {
            let next = ((at | (TABLE - 1)) + 1).min(end);
            let from = PageRange::of(
                at - target.start() + old.start(),
                next - target.start() + old.start(),
            );
            let mut held = false;
            self.tables.visit(from, |_, _| held = true);
            if held {
                self.tables.slot_or_new(at).ok_or(Errno::ENOMEM)?;
            }
            at = next;
        }
        Ok(())
    }

    /// An old length of 0 maps the same pages of a shared mapping once more.
    fn duplicate(&mut self, new: PageRange, may_move: bool, fixed: Option<u64>) -> Result<u64> {
        let area = self.areas.find(new.start()).ok_or(Errno::EFAULT)?;
        if !area.shared || !may_move {
            return Err(Errno::EINVAL);
        }
        let target = match fixed {
            Some(address) => PageRange::new(address, new.len()).ok_or(Errno::EINVAL)?,
            None => self.place(0, new.len(), MapFlags::empty())?,
        };
        let copy = area.part_at(target, new.start());
        self.check_limits(&copy, true)?;
        self.put(copy)?;
        Ok(target.start())
    }
}

impl<H: Hardware> Vma<H> {
    /// As [`Vma::over`]; what moves or is added is no stack.
    fn part_at(&self, range: PageRange, content: u64) -> Self {
        let mut part = self.over(range, content);
        if part.kind == VmaKind::Stack {
            part.kind = VmaKind::Plain;
        }
        part
    }
}
