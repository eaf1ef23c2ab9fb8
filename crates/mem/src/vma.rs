//! Vmas: ranges of an address space with the same rights and content.

use crate::address::{PAGE_SIZE, PageRange};
use crate::entry::Rights;
use crate::hardware::Hardware;
use crate::source::{Attached, MapSource};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use paddock_abi::mman::Prot;
use paddock_abi::{Errno, Result};

/// The most areas an address space may have (Linux's `max_map_count`).
pub const MAX_AREAS: usize = 65_530;

/// What is in an area.
pub enum Backing<H: Hardware> {
    /// Zeros until written, private.
    Anonymous,
    /// Pages of an object.
    Source {
        /// The object.
        source: Attached<H>,
        /// The object's page at the area's start.
        first: u64,
    },
}

impl<H: Hardware> Backing<H> {
    fn share(&self) -> Self {
        match self {
            Backing::Anonymous => Backing::Anonymous,
            Backing::Source { source, first } => Backing::Source {
                source: source.clone(),
                first: *first,
            },
        }
    }
}

/// What an area is for, beyond its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmaKind {
    /// Nothing special.
    Plain,
    /// Moved by brk(2).
    Heap,
    /// Grows downwards when touched below its start.
    Stack,
}

/// A range with the same rights and content throughout.
pub struct Vma<H: Hardware> {
    pub(crate) range: PageRange,
    pub(crate) prot: Prot,
    /// What mprotect(2) may set at most.
    pub(crate) may: Prot,
    pub(crate) shared: bool,
    pub(crate) kind: VmaKind,
    /// Left out by fork (`MADV_DONTFORK`).
    pub(crate) no_fork: bool,
    /// A fork's child finds zeros (`MADV_WIPEONFORK`).
    pub(crate) wiped: bool,
    /// Left out of core files (`MADV_DONTDUMP`), of which there are none.
    pub(crate) no_dump: bool,
    /// On which nodes its memory is taken (mbind(2)), as whoever set it keeps that;
    /// zero by default.
    pub(crate) policy: u32,
    /// mlock(2).
    pub(crate) locked: bool,
    pub(crate) backing: Backing<H>,
}

impl<H: Hardware> Vma<H> {
    /// Its pages.
    pub fn range(&self) -> PageRange {
        self.range
    }

    /// Its protection.
    pub fn prot(&self) -> Prot {
        self.prot
    }

    /// Whether writes reach others.
    pub fn shared(&self) -> bool {
        self.shared
    }

    /// What it is for.
    pub fn kind(&self) -> VmaKind {
        self.kind
    }

    /// What is in it.
    pub fn backing(&self) -> &Backing<H> {
        &self.backing
    }

    /// The most that an entry of this area allows.
    pub(crate) fn rights(&self) -> Rights {
        Rights::of(self.prot)
    }

    /// The source's index of the page at `address`.
    pub(crate) fn index_of(&self, address: u64) -> u64 {
        let first = match &self.backing {
            Backing::Anonymous => 0,
            Backing::Source { first, .. } => *first,
        };
        first + (address - self.range.start()) / PAGE_SIZE
    }

    /// The source, if writes to its pages must be made known.
    pub(crate) fn tracked(&self) -> Option<&Arc<dyn MapSource<H>>> {
        match &self.backing {
            Backing::Source { source, .. } if self.shared && source.tracks_writes() => Some(source),
            _ => None,
        }
    }

    /// The source and its pages, if it was attached with its first page at
    /// `address`.
    pub(crate) fn attached_at(&self, address: u64) -> Option<(Arc<dyn MapSource<H>>, u64)> {
        let Backing::Source { source, first } = &self.backing else {
            return None;
        };
        let pages = source.attachable_pages()?;
        let offset = self.range.start().checked_sub(address)?;
        (offset / PAGE_SIZE == *first).then(|| (Arc::clone(source), pages))
    }

    /// Where it shows what is behind the first `pages` pages of the source of that
    /// identity.
    pub(crate) fn behind(&self, identity: (u64, u64), pages: u64) -> Option<PageRange> {
        let Backing::Source { source, first } = &self.backing else {
            return None;
        };
        let kept = pages.saturating_sub(*first);
        let shows = kept < self.range.pages() && source.identity() == identity;
        shows.then(|| PageRange::of(self.range.start() + kept * PAGE_SIZE, self.range.end()))
    }

    /// The same area over a part of its range.
    pub(crate) fn part(&self, range: PageRange) -> Self {
        self.over(range, range.start())
    }

    /// An area like this over `range`, whose first page has the content that
    /// this one has (or would have, if it were longer) at `content`.
    pub(crate) fn over(&self, range: PageRange, content: u64) -> Self {
        let Vma {
            range: _,
            prot,
            may,
            shared,
            kind,
            no_fork,
            wiped,
            no_dump,
            policy,
            locked,
            backing,
        } = self;
        let mut backing = backing.share();
        if let Backing::Source { first, .. } = &mut backing {
            *first = self.index_of(content);
        }
        Vma {
            range,
            prot: *prot,
            may: *may,
            shared: *shared,
            kind: *kind,
            no_fork: *no_fork,
            wiped: *wiped,
            no_dump: *no_dump,
            policy: *policy,
            locked: *locked,
            backing,
        }
    }

    /// Whether `next`, which begins where this ends, could be one area with
    /// it.
    fn continues_in(&self, next: &Self) -> bool {
        let same = self.range.end() == next.range.start()
            && self.prot == next.prot
            && self.may == next.may
            && self.shared == next.shared
            && self.kind == next.kind
            && self.no_fork == next.no_fork
            && self.wiped == next.wiped
            && self.no_dump == next.no_dump
            && self.policy == next.policy
            && self.locked == next.locked;
        same && match (&self.backing, &next.backing) {
            (Backing::Anonymous, Backing::Anonymous) => true,
            (
                Backing::Source { source, .. },
                Backing::Source {
                    source: other,
                    first,
                },
            ) => Arc::ptr_eq(source, other) && self.index_of(self.range.end()) == *first,
            _ => false,
        }
    }
}

impl<H: Hardware> fmt::Debug for Vma<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.range.start(), self.range.end());
        write!(f, "Vma({start:#x}..{end:#x} {:?})", self.prot)
    }
}

/// The areas of an address space: sorted, without overlaps.
///
/// A vector and not a tree: it can be grown fallibly, and the binary search
/// of a fault stays in few cache lines.
pub(crate) struct Vmas<H: Hardware> {
    list: Vec<Vma<H>>,
}

impl<H: Hardware> Vmas<H> {
    pub(crate) const fn new() -> Self {
        Vmas { list: Vec::new() }
    }

    pub(crate) fn as_slice(&self) -> &[Vma<H>] {
        &self.list
    }

    /// The index of the first area that ends above `address`.
    pub(crate) fn position(&self, address: u64) -> usize {
        self.list
            .partition_point(|area| area.range.end() <= address)
    }

    /// The area that holds `address`.
    pub(crate) fn find(&self, address: u64) -> Option<&Vma<H>> {
        let area = self.list.get(self.position(address))?;
        area.range.contains(address).then_some(area)
    }

    /// The areas that overlap `range`, as indices.
    pub(crate) fn overlapping(&self, range: PageRange) -> core::ops::Range<usize> {
        let first = self.position(range.start());
        let end = self
            .list
            .partition_point(|area| area.range.start() < range.end());
        first..end.max(first)
    }

    /// Whether areas cover all of `range`.
    pub(crate) fn cover(&self, range: PageRange) -> bool {
        let mut at = range.start();
        for area in &self.list[self.overlapping(range)] {
            if area.range.start() > at {
                return false;
            }
            at = area.range.end();
        }
        at >= range.end()
    }

    /// The free addresses around `range`, in which no area lies; from 0 on.
    pub(crate) fn hole_around(&self, range: PageRange) -> PageRange {
        let position = self.position(range.start());
        let below = position.checked_sub(1).and_then(|at| self.list.get(at));
        let above = self.list.get(position);
        PageRange::of(
            below.map_or(0, |area| area.range.end()),
            above.map_or(crate::USER_END, |area| area.range.start()),
        )
    }

    /// Makes room for `more` areas, so that adding them cannot fail.
    ///
    /// # Errors
    /// `ENOMEM`, also for more than [`MAX_AREAS`].
    pub(crate) fn reserve(&mut self, more: usize) -> Result<()> {
        if self.list.len() + more > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        self.list.try_reserve(more).map_err(|_| Errno::ENOMEM)
    }

    /// Adds an area where there is none, and merges it with its neighbours.
    /// There is room.
    pub(crate) fn insert(&mut self, area: Vma<H>) {
        let position = self.position(area.range.start());
        debug_assert!(self.overlapping(area.range).is_empty());
        debug_assert!(self.list.len() < self.list.capacity());
        self.list.insert(position, area);
        self.merge_at(position + 1);
        self.merge_at(position);
    }

    /// Merges the area at `index` into the one before it, if they continue
    /// one another.
    fn merge_at(&mut self, index: usize) {
        let Some(before) = index.checked_sub(1) else {
            return;
        };
        let [first, second] = match self.list.get(before..=index) {
            Some([first, second]) => [first, second],
            _ => return,
        };
        if first.continues_in(second) {
            let end = second.range.end();
            self.list.remove(index);
            let first = &mut self.list[before];
            first.range = PageRange::of(first.range.start(), end);
        }
    }

    /// Merges whatever can be merged in and around `range`.
    pub(crate) fn merge(&mut self, range: PageRange) {
        let touched = self.overlapping(range);
        for index in (touched.start..=touched.end).rev() {
            self.merge_at(index);
        }
    }

    /// Cuts areas in two so that none crosses either end of `range`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn isolate(&mut self, range: PageRange) -> Result<core::ops::Range<usize>> {
        self.reserve(2)?;
        self.cut(range.start());
        self.cut(range.end());
        Ok(self.overlapping(range))
    }

    /// Cuts the area that has `address` inside in two. There is room.
    fn cut(&mut self, address: u64) {
        let index = self.position(address);
        let Some(area) = self.list.get_mut(index) else {
            return;
        };
        let range = area.range;
        if range.start() >= address {
            return;
        }
        let upper = area.part(PageRange::of(address, range.end()));
        area.range = PageRange::of(range.start(), address);
        self.list.insert(index + 1, upper);
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Vma<H>> {
        self.list.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Vma<H>> {
        self.list.get_mut(index)
    }

    /// Removes the areas at these indices.
    pub(crate) fn remove(&mut self, indices: core::ops::Range<usize>) {
        self.list.drain(indices);
    }
}
