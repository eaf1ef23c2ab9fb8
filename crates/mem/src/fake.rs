//! A machine for tests: memory, a translation cache, and a counter of frames
//! in use. Each test thread has its own.
//!
//! The translation cache keeps what it has seen until it is told to forget
//! it, and freeing a frame that it still knows is an error.

use crate::address::{PAGE_SIZE, PhysAddr};
use crate::entry::{Entry, Rights, table_of};
use crate::hardware::{Hardware, Purpose};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicU32;

const BASE: u64 = 0x4000_0000;

#[derive(Debug)]
pub(crate) struct Fake;

struct Machine {
    memory: *mut u8,
    shares: &'static [AtomicU32],
    free: Vec<u64>,
    used: BTreeSet<u64>,
    /// Allocations until one fails, and all after it.
    budget: usize,
    cache: HashMap<(u16, u64), Entry>,
    tables: (u64, u16),
    local_flushes: usize,
    flushes: usize,
    published: usize,
}

thread_local! {
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

fn with<T>(run: impl FnOnce(&mut Machine) -> T) -> T {
    MACHINE.with_borrow_mut(|machine| run(machine.as_mut().expect("reset() first")))
}

/// A new machine with this many frames.
pub(crate) fn reset(frames: usize) {
    MACHINE.with_borrow_mut(|machine| {
        let old = machine.take().filter(|old| old.shares.len() == frames);
        let (memory, shares) = match old {
            Some(old) => (old.memory, old.shares),
            None => {
                let layout = std::alloc::Layout::from_size_align(frames * 4096, 4096).unwrap();
                // SAFETY: not empty. Leaked: shares are `'static`.
                let memory = unsafe { std::alloc::alloc_zeroed(layout) };
                let shares: Vec<_> = (0..frames).map(|_| AtomicU32::new(0)).collect();
                (memory, &*shares.leak())
            }
        };
        for share in shares {
            share.store(0, std::sync::atomic::Ordering::Relaxed);
        }
        *machine = Some(Machine {
            memory,
            shares,
            free: (0..frames as u64)
                .rev()
                .map(|at| BASE + at * PAGE_SIZE)
                .collect(),
            used: BTreeSet::new(),
            budget: usize::MAX,
            cache: HashMap::new(),
            tables: (0, 0),
            local_flushes: 0,
            flushes: 0,
            published: 0,
        });
    });
}

pub(crate) fn used() -> usize {
    with(|machine| machine.used.len())
}

pub(crate) fn local_flushes() -> usize {
    with(|machine| machine.local_flushes)
}

pub(crate) fn flushes() -> usize {
    with(|machine| machine.flushes)
}

pub(crate) fn code_published() -> usize {
    with(|machine| machine.published)
}

pub(crate) fn tables_in_use() -> (u64, u16) {
    with(|machine| machine.tables)
}

/// Lets `count` more allocations succeed, and none after that.
pub(crate) fn fail_after(count: usize) {
    with(|machine| machine.budget = count);
}

/// What the processor does for an access: the entry it uses, out of its cache
/// or out of the tables in use. `None` is a fault.
pub(crate) fn translate(address: u64, needs: Rights) -> Option<PhysAddr> {
    let page = address & !(PAGE_SIZE - 1);
    let (root, asid) = tables_in_use();
    let cached = with(|machine| machine.cache.get(&(asid, page)).copied());
    let entry = cached.or_else(|| walk(root, page))?;
    if !entry.is_valid() {
        return None;
    }
    with(|machine| machine.cache.insert((asid, page), entry));
    entry
        .rights()
        .contains(needs)
        .then(|| PhysAddr(entry.frame().0 + address % PAGE_SIZE))
}

fn walk(root: u64, page: u64) -> Option<Entry> {
    let mut table = PhysAddr(root);
    for level in 0..4 {
        let index = (page >> (39 - 9 * level)) & 511;
        // SAFETY: a table is a frame of 512 words.
        let word = unsafe {
            Fake::pointer(table)
                .cast::<u64>()
                .add(index as usize)
                .read()
        };
        assert!(
            with(|machine| machine.used.contains(&table.0)),
            "walk through a free frame"
        );
        if level == 3 {
            return Some(Entry(word));
        }
        table = table_of(word)?;
    }
    None
}

/// A byte of user memory, as a program reads it.
pub(crate) fn load(address: u64) -> Option<u8> {
    let at = translate(address, Rights::READ)?;
    // SAFETY: within memory.
    Some(unsafe { byte(at).read() })
}

/// Writes a byte of user memory, as a program does.
pub(crate) fn store(address: u64, value: u8) -> Option<()> {
    let at = translate(address, Rights::READ | Rights::WRITE)?;
    // SAFETY: within memory.
    unsafe { byte(at).write(value) };
    Some(())
}

fn byte(at: PhysAddr) -> *mut u8 {
    let page = PhysAddr(at.0 & !(PAGE_SIZE - 1));
    Fake::pointer(page).wrapping_add((at.0 % PAGE_SIZE) as usize)
}

// SAFETY: the frames are distinct pages of one allocation that is never
// freed.
unsafe impl Hardware for Fake {
    fn allocate(_: Purpose) -> Option<PhysAddr> {
        with(|machine| {
            if machine.budget == 0 {
                return None;
            }
            machine.budget -= 1;
            let frame = machine.free.pop()?;
            assert!(machine.used.insert(frame));
            Some(PhysAddr(frame))
        })
    }

    unsafe fn free(frame: PhysAddr) {
        with(|machine| {
            assert!(machine.used.remove(&frame.0), "{:#x} freed twice", frame.0);
            let cached = machine
                .cache
                .iter()
                .find(|(_, entry)| entry.frame() == frame);
            assert!(cached.is_none(), "freed before it was flushed: {cached:x?}");
            machine.free.push(frame.0);
        });
    }

    fn shares(frame: PhysAddr) -> &'static AtomicU32 {
        with(|machine| &machine.shares[((frame.0 - BASE) / PAGE_SIZE) as usize])
    }

    fn pointer(frame: PhysAddr) -> *mut u8 {
        with(|machine| machine.memory.wrapping_add((frame.0 - BASE) as usize))
    }

    fn publish_entries() {}

    fn flush_page(asid: u16, address: u64) {
        with(|machine| {
            machine.flushes += 1;
            machine.cache.remove(&(asid, address));
        });
    }

    fn flush_asid(asid: u16) {
        with(|machine| {
            machine.flushes += 1;
            machine.cache.retain(|(of, _), _| *of != asid);
        });
    }

    fn flush_local() {
        with(|machine| {
            machine.local_flushes += 1;
            machine.cache.clear();
        });
    }

    fn publish_code(_start: *const u8, _length: usize) {
        with(|machine| machine.published += 1);
    }

    unsafe fn set_tables(root: PhysAddr, asid: u16) {
        with(|machine| machine.tables = (root.0, asid));
    }

    fn set_no_tables() {
        with(|machine| machine.tables = (0, 0));
    }
}
