//! The page tables of one user half: four levels, 4 KiB granule, 48 bits.
//!
//! A held leaf entry owns one share of its frame; a table owns the tables
//! below it. Entries are written by one owner (`&mut Tables`) while the
//! table walkers of any CPU read them, hence the atomics.

use crate::activate::Root;
use crate::address::{PageRange, PhysAddr, USER_END};
use crate::counters::Counts;
use crate::entry::{self, Entry};
use crate::frame::{Frame, SharedFrame};
use crate::gather::Gather;
use crate::hardware::{Hardware, Purpose};
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// The level whose entries are pages.
const LAST: u32 = 3;
const ENTRIES: usize = 512;

type Table = [AtomicU64; ENTRIES];

/// Bytes that one entry of a level covers.
const fn span(level: u32) -> u64 {
    1 << (39 - 9 * level)
}

const fn index(address: u64, level: u32) -> usize {
    (address >> (39 - 9 * level)) as usize & (ENTRIES - 1)
}

/// # Safety
/// The table is alive for as long as the result is used.
unsafe fn table_at<'a, H: Hardware>(table: PhysAddr) -> &'a Table {
    // SAFETY: tables are whole frames, initialised to zero, and only ever
    // used as words.
    unsafe { &*H::pointer(table).cast() }
}

/// The parts of `range` that the entries of one level cover.
fn parts(range: PageRange, level: u32) -> impl Iterator<Item = PageRange> {
    let mut at = range.start();
    core::iter::from_fn(move || {
        if at >= range.end() {
            return None;
        }
        let next = ((at | (span(level) - 1)) + 1).min(range.end());
        let part = PageRange::of(at, next);
        at = next;
        Some(part)
    })
}

/// The place of one leaf entry.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    word: &'a AtomicU64,
    address: u64,
}

impl Slot<'_> {
    pub(crate) fn get(self) -> Entry {
        Entry(self.word.load(Ordering::Relaxed))
    }

    /// Writes the entry and says what must be flushed. The processor must
    /// not see two frames for one page without a flush in between (Arm ARM
    /// D8.16.1, break before make): that goes through [`Entry::EMPTY`].
    pub(crate) fn set(self, entry: Entry) -> Flush {
        let old = self.get();
        debug_assert!(
            !old.is_valid() || !entry.is_valid() || old.frame() == entry.frame(),
            "break before make"
        );
        self.word.store(entry.0, Ordering::Release);
        if old.is_valid() && old != entry {
            Flush::page(self.address)
        } else {
            Flush::nothing()
        }
    }
}

const FLUSH_PAGES: usize = 8;

/// Translations that the processor may still use although the tables say
/// otherwise. To be flushed before anything relies on the new entries.
#[must_use]
#[derive(Debug)]
pub(crate) struct Flush {
    pages: [u64; FLUSH_PAGES],
    /// More than [`FLUSH_PAGES`] means all.
    count: usize,
}

impl Flush {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.count == 0
    }

    pub(crate) const fn nothing() -> Self {
        Flush {
            pages: [0; FLUSH_PAGES],
            count: 0,
        }
    }

    pub(crate) fn page(address: u64) -> Self {
        let mut flush = Self::nothing();
        flush.pages[0] = address;
        flush.count = 1;
        flush
    }

    pub(crate) fn all() -> Self {
        let mut flush = Self::nothing();
        flush.count = FLUSH_PAGES + 1;
        flush
    }

    pub(crate) fn add(&mut self, other: Flush) {
        if other.count > FLUSH_PAGES {
            self.count = FLUSH_PAGES + 1;
            return;
        }
        for &page in &other.pages[..other.count] {
            if let Some(slot) = self.pages.get_mut(self.count) {
                *slot = page;
            }
            self.count = (self.count + 1).min(FLUSH_PAGES + 1);
        }
    }

    /// Flushes, on all CPUs.
    pub(crate) fn run<H: Hardware>(self, root: &Root<H>) {
        // The new entries are visible before the identifier is read: who is
        // given another one after that finds them (see `Activator::activate`).
        fence(Ordering::SeqCst);
        let asid = root.asid();
        // Tables that were never in use are in nobody's cache.
        if asid == 0 || self.count == 0 {
            return;
        }
        if self.count > FLUSH_PAGES {
            H::flush_asid(asid);
            return;
        }
        for &page in &self.pages[..self.count] {
            H::flush_page(asid, page);
        }
    }
}

/// The page tables of one user half.
pub struct Tables<H: Hardware> {
    root: Arc<Root<H>>,
}

impl<H: Hardware> fmt::Debug for Tables<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({:#x})", self.root.address().0)
    }
}

impl<H: Hardware> Tables<H> {
    /// Empty tables; `None` without memory.
    pub fn new() -> Option<Self> {
        Some(Tables { root: Root::new()? })
    }

    /// What the CPUs need to use these tables. Outlives them, empty.
    pub fn root(&self) -> &Arc<Root<H>> {
        &self.root
    }

    pub(crate) fn counts(&self) -> &Counts {
        self.root.counts()
    }

    fn root_table(&self) -> &Table {
        // SAFETY: the root lives as long as `self`.
        unsafe { table_at::<H>(self.root.address()) }
    }

    /// The entry of the page that holds `address`, a user address.
    pub fn get(&self, address: u64) -> Entry {
        self.slot(address).map_or(Entry::EMPTY, Slot::get)
    }

    /// The place of the entry for `address`, if its table is there.
    pub(crate) fn slot(&self, address: u64) -> Option<Slot<'_>> {
        let word = &self.leaf(address)?[index(address, LAST)];
        Some(Slot { word, address })
    }

    /// The places of the entries of `range`, which one table of the last
    /// level holds; none if that table is missing.
    pub(crate) fn leaf_slots(&self, range: PageRange) -> impl Iterator<Item = (u64, Slot<'_>)> {
        debug_assert_eq!(range.start() >> 21, (range.end() - 1) >> 21);
        let table = self.leaf(range.start());
        let pages = (range.start()..range.end()).step_by(crate::PAGE_SIZE as usize);
        pages.filter_map(move |address| {
            let word = &table?[index(address, LAST)];
            Some((address, Slot { word, address }))
        })
    }

    /// The table of the last level that holds the entry for `address`.
    fn leaf(&self, address: u64) -> Option<&Table> {
        debug_assert!(address < USER_END);
        let mut table = self.root_table();
        for level in 0..LAST {
            let below = entry::table_of(table[index(address, level)].load(Ordering::Relaxed))?;
            // SAFETY: linked tables are alive; unlinking needs `&mut self`.
            table = unsafe { table_at::<H>(below) };
        }
        Some(table)
    }

    /// The place of the entry for `address`, and the root for flushing;
    /// `None` without memory for its table.
    #[inline]
    pub(crate) fn slot_or_new(&mut self, address: u64) -> Option<(Slot<'_>, &Root<H>)> {
        debug_assert!(address < USER_END);
        let mut table = self.root_table();
        for level in 0..LAST {
            let word = &table[index(address, level)];
            let below = match entry::table_of(word.load(Ordering::Relaxed)) {
                Some(below) => below,
                None => {
                    let below = Frame::<H>::zeroed(Purpose::Table)?.into_address();
                    // Release: the walkers must find it zeroed.
                    word.store(entry::table(below), Ordering::Release);
                    below
                }
            };
            // SAFETY: linked tables are alive; unlinking needs `&mut self`.
            table = unsafe { table_at::<H>(below) };
        }
        let word = &table[index(address, LAST)];
        Some((Slot { word, address }, &self.root))
    }

    /// Calls `each` for the address and place of every held entry in `range`.
    pub(crate) fn visit(&self, range: PageRange, mut each: impl FnMut(u64, Slot<'_>)) {
        visit_table::<H>(self.root_table(), 0, range, &mut each);
    }

    /// Frees the tables that serve only addresses in `hole`, in which no
    /// entry is held.
    pub(crate) fn prune(&mut self, hole: PageRange, gather: &mut Gather<H>) {
        prune_table(self.root_table(), 0, hole, gather);
    }
}

fn visit_table<H: Hardware>(
    table: &Table,
    level: u32,
    range: PageRange,
    each: &mut dyn FnMut(u64, Slot<'_>),
) {
    for part in parts(range, level) {
        let word = &table[index(part.start(), level)];
        let value = word.load(Ordering::Relaxed);
        if value == 0 {
            continue;
        }
        if level == LAST {
            let address = part.start();
            each(address, Slot { word, address });
        } else if let Some(below) = entry::table_of(value) {
            // SAFETY: linked tables are alive while their parent is borrowed.
            visit_table::<H>(unsafe { table_at::<H>(below) }, level + 1, part, each);
        }
    }
}

fn prune_table<H: Hardware>(table: &Table, level: u32, hole: PageRange, gather: &mut Gather<H>) {
    for part in parts(hole, level) {
        let word = &table[index(part.start(), level)];
        let Some(below) = entry::table_of(word.load(Ordering::Relaxed)) else {
            continue;
        };
        if part.len() == span(level) {
            word.store(0, Ordering::Relaxed);
            gather_tables(below, level + 1, gather);
        } else if level + 1 < LAST {
            // SAFETY: linked tables are alive.
            prune_table(unsafe { table_at::<H>(below) }, level + 1, part, gather);
        }
    }
}

/// Hands an unlinked table without held entries, and those below it, to
/// `gather`.
fn gather_tables<H: Hardware>(table: PhysAddr, level: u32, gather: &mut Gather<H>) {
    // SAFETY: the table is alive until it is handed over below.
    each_in_use(unsafe { table_at::<H>(table) }, |word| {
        let value = word.load(Ordering::Relaxed);
        debug_assert_ne!(level, LAST, "a table is freed with a page in it");
        if let Some(below) = entry::table_of(value) {
            gather_tables(below, level + 1, gather);
        }
    });
    // SAFETY: unlinked by the caller, and it came from `slot_or_new`.
    gather.add_table(unsafe { Frame::from_address(table) });
}

impl<H: Hardware> Drop for Tables<H> {
    /// Unlinks everything, flushes once, and gives all frames back. The empty
    /// root stays for as long as a CPU may have it in use.
    fn drop(&mut self) {
        let mut held = false;
        each_in_use(self.root_table(), |word| {
            // No walker follows it any more, and the address stays in it.
            word.store(
                entry::unlinked(word.load(Ordering::Relaxed)),
                Ordering::Release,
            );
            held = true;
        });
        if held {
            Flush::all().run(&self.root);
        }
        each_in_use(self.root_table(), |word| {
            let top = entry::unlinked_table(word.load(Ordering::Relaxed));
            word.store(0, Ordering::Relaxed);
            // SAFETY: unlinked and flushed, and no longer named by its word.
            unsafe { free_tree::<H>(top, 1) };
        });
    }
}

/// Calls `each` for the words of a table that are not zero: few as a rule, so
/// eight are looked at together.
fn each_in_use(table: &Table, mut each: impl FnMut(&AtomicU64)) {
    for words in table.as_chunks::<8>().0 {
        let all = words.iter().map(|word| word.load(Ordering::Relaxed));
        if all.fold(0, |bits, value| bits | value) == 0 {
            continue;
        }
        for word in words {
            if word.load(Ordering::Relaxed) != 0 {
                each(word);
            }
        }
    }
}

/// # Safety
/// The table is unlinked, no CPU has it cached, and it is freed once.
unsafe fn free_tree<H: Hardware>(table: PhysAddr, level: u32) {
    // SAFETY: alive until the end of this function.
    each_in_use(unsafe { table_at::<H>(table) }, |word| {
        let value = word.load(Ordering::Relaxed);
        if level == LAST {
            let entry = Entry(value);
            if entry.is_held() {
                // SAFETY: a held entry owns one share, and is gone with its
                // table.
                drop(unsafe { SharedFrame::<H>::from_address(entry.frame()) });
            }
        } else if let Some(below) = entry::table_of(value) {
            // SAFETY: what an unlinked table leads to is unlinked.
            unsafe { free_tree::<H>(below, level + 1) };
        }
    });
    // SAFETY: the caller's promise; it came from `slot_or_new`.
    drop(unsafe { Frame::<H>::from_address(table) });
}
