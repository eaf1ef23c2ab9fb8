//! mprotect(2), madvise(2) and msync(2).

use super::AddressSpace;
use crate::activate::Root;
use crate::address::PageRange;
use crate::entry::{Entry, Rights};
use crate::frame::SharedFrame;
use crate::gather::Gather;
use crate::hardware::Hardware;
use crate::source::MapSource;
use crate::tables::{Flush, Slot, Tables};
use crate::vma::{Backing, Vma, VmaKind};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;
use paddock_abi::mman::{
    MADV_COLD, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE,
    MADV_HUGEPAGE, MADV_KEEPONFORK, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT, MADV_RANDOM,
    MADV_SEQUENTIAL, MADV_WILLNEED, MADV_WIPEONFORK, Prot,
};
use paddock_abi::{Errno, Result};

/// A part of a file that msync(2) is to write out: done by the caller,
/// without the address space's lock.
pub struct SyncTarget<H: Hardware> {
    /// The file.
    pub source: Arc<dyn MapSource<H>>,
    /// Its first page.
    pub first: u64,
    /// How many pages.
    pub pages: u64,
}

impl<H: Hardware> fmt::Debug for SyncTarget<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SyncTarget({:?}, {}+{})",
            self.source.identity(),
            self.first,
            self.pages
        )
    }
}

/// Tells a file which of its pages in `range`, a part of `area`, may have
/// changed.
pub(super) fn report_written<H: Hardware>(tables: &Tables<H>, area: &Vma<H>, range: PageRange) {
    let Some(source) = area.tracked() else {
        return;
    };
    tables.visit(range, |address, slot| {
        if slot.get().rights().contains(Rights::WRITE) {
            source.written(area.index_of(address));
        }
    });
}

/// Calls `with` with a frame that stays in its entry.
pub(super) fn borrow_frame<H: Hardware, T>(
    entry: Entry,
    with: impl FnOnce(&SharedFrame<H>) -> T,
) -> T {
    // SAFETY: the entry owns a share; this value is never dropped.
    let frame = ManuallyDrop::new(unsafe { SharedFrame::from_address(entry.frame()) });
    with(&frame)
}

/// The entry that `area` now allows for a page that is there. A page that
/// others share, or whose file must hear of writes, stays read-only until a
/// fault.
fn allowed<H: Hardware>(area: &Vma<H>, entry: Entry) -> Entry {
    let mut rights = area.rights();
    let may_write = if area.shared {
        area.tracked().is_none() || entry.rights().contains(Rights::WRITE)
    } else {
        entry.is_own() && borrow_frame(entry, SharedFrame::<H>::is_unique)
    };
    if !may_write {
        rights.remove(Rights::WRITE);
    }
    entry.with_rights(rights)
}

fn change_entry<H: Hardware>(area: &Vma<H>, slot: Slot<'_>) -> Flush {
    let old = slot.get();
    let new = allowed(area, old);
    if new == old {
        return Flush::nothing();
    }
    if new.rights().contains(Rights::EXECUTE) {
        borrow_frame(new, SharedFrame::<H>::publish_code);
    }
    slot.set(new)
}

impl<H: Hardware> AddressSpace<H> {
    /// mprotect(2). May sleep.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `ENOMEM` as in the manual. Vmas below the one
    /// that makes it fail are changed, as on Linux.
    pub fn protect(&mut self, address: u64, length: u64, prot: Prot) -> Result<()> {
        if length == 0 && address.is_multiple_of(crate::PAGE_SIZE) {
            return Ok(());
        }
        let range = checked_range(address, length)?;
        let prot = prot & (Prot::READ | Prot::WRITE | Prot::EXEC);
        if !self.areas.cover(range) {
            return Err(Errno::ENOMEM);
        }
        let indices = self.areas.isolate(range)?;
        let root = self.tables.root().clone();
        let mut flush = Flush::nothing();
        let mut result = Ok(());
        for index in indices {
            result = self.protect_area(index, prot, &root, &mut flush);
            if result.is_err() {
                break;
            }
        }
        flush.run(&root);
        H::publish_entries();
        self.areas.merge(range);
        result
    }

    fn protect_area(
        &mut self,
        index: usize,
        prot: Prot,
        root: &Root<H>,
        flush: &mut Flush,
    ) -> Result<()> {
        let Some(area) = self.areas.get_mut(index) else {
            return Ok(());
        };
        if !area.may.contains(prot) {
            return Err(Errno::EACCES);
        }
        let becomes_data = !area.shared
            && area.kind != VmaKind::Stack
            && !area.prot.contains(Prot::WRITE)
            && prot.contains(Prot::WRITE);
        let data = self.tables.counts().get().data * crate::PAGE_SIZE;
        if becomes_data && data.saturating_add(area.range.len()) > self.limits.data {
            return Err(Errno::ENOMEM);
        }
        let loses_write = area.prot.contains(Prot::WRITE) && !prot.contains(Prot::WRITE);
        if loses_write && area.tracked().is_some() {
            // From here on the entries do not tell which pages were written;
            // a write between this and the flush is still by an old
            // translation, hence flushed before it is reported.
            let entries = area.rights().difference(Rights::WRITE);
            self.tables.visit(area.range, |address, slot| {
                let old = slot.get();
                if old.rights().contains(Rights::WRITE) {
                    slot.set(old.with_rights(entries)).run(root);
                    if let Some(source) = area.tracked() {
                        source.written(area.index_of(address));
                    }
                }
            });
        }
        self.tables.counts().area_went(area);
        area.prot = prot;
        self.tables.counts().area_came(area);
        self.tables
            .visit(area.range, |_, slot| flush.add(change_entry(area, slot)));
        Ok(())
    }

    /// madvise(2). May sleep. What only would speed things up is accepted and
    /// ignored; `MADV_POPULATE_*` is the caller's, see [`crate::populate`].
    ///
    /// # Errors
    /// `EINVAL` for advice that is not known or does not fit, `ENOMEM` for
    /// unmapped pages.
    pub fn advise(&mut self, address: u64, length: u64, advice: u32) -> Result<()> {
        let known = matches!(
            advice,
            MADV_NORMAL
                | MADV_RANDOM
                | MADV_SEQUENTIAL
                | MADV_WILLNEED
                | MADV_DONTNEED
                | MADV_FREE
                | MADV_DONTFORK
                | MADV_DOFORK
                | MADV_HUGEPAGE
                | MADV_NOHUGEPAGE
                | MADV_DONTDUMP
                | MADV_DODUMP
                | MADV_WIPEONFORK
                | MADV_KEEPONFORK
                | MADV_COLD
                | MADV_PAGEOUT
        );
        if !known {
            return Err(Errno::EINVAL);
        }
        if length == 0 && address.is_multiple_of(crate::PAGE_SIZE) {
            return Ok(());
        }
        let range = advised_range(address, length)?;
        match advice {
            MADV_DONTNEED | MADV_FREE if self.is_locked(range) => return Err(Errno::EINVAL),
            MADV_DONTNEED => self.discard(range),
            MADV_FREE => {
                let overlapping = &self.areas.as_slice()[self.areas.overlapping(range)];
                if overlapping
                    .iter()
                    .any(|area| area.shared || !matches!(area.backing, Backing::Anonymous))
                {
                    return Err(Errno::EINVAL);
                }
                self.discard(range);
            }
            MADV_DONTFORK | MADV_DOFORK | MADV_DONTDUMP | MADV_DODUMP | MADV_WIPEONFORK
            | MADV_KEEPONFORK => self.mark(range, advice)?,
            _ => {}
        }
        if self.areas.cover(range) {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// Forgets the pages of a range: the next touch finds zeros, or the
    /// file's page.
    fn discard(&mut self, range: PageRange) {
        let mut gather = Gather::new(self.tables.root());
        for area in &self.areas.as_slice()[self.areas.overlapping(range)] {
            if let Some(part) = area.range.intersect(&range) {
                report_written(&self.tables, area, part);
            }
        }
        self.zap(range, &mut gather);
    }

    /// The source of that identity was cut to `pages` pages: what is mapped from behind
    /// them goes, private copies too, as on Linux. Who touches it asks the source
    /// again. May sleep.
    pub fn cut(&mut self, identity: (u64, u64), pages: u64) {
        let mut gather = Gather::new(self.tables.root());
        for index in 0..self.areas.as_slice().len() {
            let Some(range) = self
                .areas
                .get(index)
                .and_then(|a| a.behind(identity, pages))
            else {
                continue;
            };
            self.zap(range, &mut gather);
        }
    }

    /// Of which sources MADV_REMOVE takes which pages away: the caller does it, without the
    /// address space's lock. May sleep.
    ///
    /// # Errors
    /// `EINVAL` for what is locked or belongs to no source, `EACCES` for what is not shared
    /// or may not be written, `ENOMEM`.
    pub fn removed_parts(&mut self, address: u64, length: u64) -> Result<Vec<SyncTarget<H>>> {
        let mut targets = Vec::new();
        let range = match length {
            0 if address.is_multiple_of(crate::PAGE_SIZE) => return Ok(targets),
            _ => advised_range(address, length)?,
        };
        if self.is_locked(range) {
            return Err(Errno::EINVAL);
        }
        for area in &self.areas.as_slice()[self.areas.overlapping(range)] {
            let Backing::Source { source, .. } = &area.backing else {
                return Err(Errno::EINVAL);
            };
            if !area.shared || !area.may.contains(Prot::WRITE) {
                return Err(Errno::EACCES);
            }
            let Some(part) = area.range.intersect(&range) else {
                continue;
            };
            targets.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            targets.push(SyncTarget {
                source: Arc::clone(source),
                first: area.index_of(part.start()),
                pages: part.pages(),
            });
        }
        match self.areas.cover(range) {
            true => Ok(targets),
            false => Err(Errno::ENOMEM),
        }
    }

    /// Whether a part of a range is locked.
    fn is_locked(&self, range: PageRange) -> bool {
        let mut areas = self.areas.as_slice()[self.areas.overlapping(range)].iter();
        areas.any(|area| area.locked)
    }

    /// Notes what a fork or a core file is to leave out. `EINVAL` for what belongs to
    /// others as well, and is to be wiped.
    fn mark(&mut self, range: PageRange, advice: u32) -> Result<()> {
        let overlapping = &self.areas.as_slice()[self.areas.overlapping(range)];
        let is_own = |area: &Vma<H>| !area.shared && matches!(area.backing, Backing::Anonymous);
        if advice == MADV_WIPEONFORK && !overlapping.iter().all(is_own) {
            return Err(Errno::EINVAL);
        }
        for index in self.areas.isolate(range)? {
            if let Some(area) = self.areas.get_mut(index) {
                match advice {
                    MADV_DONTFORK | MADV_DOFORK => area.no_fork = advice == MADV_DONTFORK,
                    MADV_DONTDUMP | MADV_DODUMP => area.no_dump = advice == MADV_DONTDUMP,
                    _ => area.wiped = advice == MADV_WIPEONFORK,
                }
            }
        }
        self.areas.merge(range);
        Ok(())
    }

    /// The first half of msync(2): marks the written pages of a range as
    /// changed, and says what to write out. With `collect` false it only
    /// marks (`MS_ASYNC`).
    ///
    /// # Errors
    /// `EINVAL`; `ENOMEM` for unmapped pages, or without memory.
    pub fn sync_targets(
        &mut self,
        address: u64,
        length: u64,
        (collect, invalidate): (bool, bool),
    ) -> Result<Vec<SyncTarget<H>>> {
        let mut targets = Vec::new();
        if length == 0 && address.is_multiple_of(crate::PAGE_SIZE) {
            return Ok(targets);
        }
        let range = checked_range(address, length)?;
        if invalidate && self.is_locked(range) {
            return Err(Errno::EBUSY);
        }
        for area in &self.areas.as_slice()[self.areas.overlapping(range)] {
            let (Some(part), Some(source)) = (area.range.intersect(&range), area.tracked()) else {
                continue;
            };
            report_written(&self.tables, area, part);
            if collect {
                targets.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                targets.push(SyncTarget {
                    source: source.clone(),
                    first: area.index_of(part.start()),
                    pages: part.pages(),
                });
            }
        }
        if self.areas.cover(range) {
            Ok(targets)
        } else {
            Err(Errno::ENOMEM)
        }
    }
}

/// A range of madvise(2): `EINVAL` for a bad start, and for a length that wraps.
fn advised_range(address: u64, length: u64) -> Result<PageRange> {
    match length.checked_next_multiple_of(crate::PAGE_SIZE) {
        Some(length) if address.checked_add(length).is_some() => checked_range(address, length),
        _ => Err(Errno::EINVAL),
    }
}

/// A range for the calls that answer `EINVAL` to a bad start and `ENOMEM` to
/// a bad end.
pub(super) fn checked_range(address: u64, length: u64) -> Result<PageRange> {
    if !address.is_multiple_of(crate::PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    PageRange::new(address, length).ok_or(Errno::ENOMEM)
}
