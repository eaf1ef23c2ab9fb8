//! Address-space identifiers, and the one place that puts tables in use.

use crate::address::PhysAddr;
use crate::counters::{Counters, Counts};
use crate::frame::Frame;
use crate::hardware::{Hardware, Purpose};
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use paddock_sync::{IrqOff, Rank, SpinLock, try_arc};

const ASIDS: usize = 1 << 16;
const GENERATION_SHIFT: u32 = 16;

/// The root of one set of user tables, with its identifier: what a thread
/// keeps in order to run in an address space.
///
/// It outlives the tables if it must. A CPU that has it in use keeps an `Arc`
/// to it until other tables are in use there.
pub struct Root<H: Hardware> {
    table: Frame<H>,
    /// Generation and identifier; 0 before the first use.
    context: AtomicU64,
    counts: Counts,
}

impl<H: Hardware> Root<H> {
    pub(crate) fn new() -> Option<Arc<Self>> {
        let table = Frame::zeroed(Purpose::Table)?;
        try_arc(Root {
            table,
            context: AtomicU64::new(0),
            counts: Counts::default(),
        })
        .ok()
    }

    /// How much the address space holds. Needs no lock of it.
    pub fn counters(&self) -> Counters {
        self.counts.get()
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Where the table of the first level is.
    pub fn address(&self) -> PhysAddr {
        self.table.address()
    }

    /// The identifier; 0 if it was never in use. A later generation may give
    /// the tables another one, but flushes the old one everywhere first.
    pub fn asid(&self) -> u16 {
        self.context.load(Ordering::Relaxed) as u16
    }
}

impl<H: Hardware> fmt::Debug for Root<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({:#x}, asid {})", self.address().0, self.asid())
    }
}

struct State<const CPUS: usize> {
    bits: u32,
    /// The current generation, above [`GENERATION_SHIFT`].
    generation: u64,
    used: [u64; ASIDS / 64],
    next: usize,
    /// What each CPU has in use; 0 for nothing.
    active: [u64; CPUS],
    /// What each CPU had in use when the generation began: those keep their
    /// identifiers.
    reserved: [u64; CPUS],
    /// CPUs that may have translations from before this generation.
    stale: [bool; CPUS],
}

/// Hands out address-space identifiers and switches between tables. One value
/// exists, for all CPUs.
///
/// Identifiers are unique within a generation. When all are used, a new
/// generation begins: each CPU flushes its translations before its next
/// switch, and what runs at that moment keeps its identifier.
pub struct Activator<const CPUS: usize> {
    state: SpinLock<State<CPUS>, IrqOff>,
}

impl<const CPUS: usize> Activator<CPUS> {
    /// Nothing in use; `bits` (8 or 16) is the processor's size of an
    /// address-space identifier.
    pub const fn new(bits: u32) -> Self {
        let state = State {
            bits: if bits > GENERATION_SHIFT {
                GENERATION_SHIFT
            } else {
                bits
            },
            generation: 1 << GENERATION_SHIFT,
            used: [0; ASIDS / 64],
            next: 1,
            active: [0; CPUS],
            reserved: [0; CPUS],
            stale: [false; CPUS],
        };
        Activator {
            state: SpinLock::new(Rank::Asid, state),
        }
    }

    /// Sets the number of bits, once the processor has been asked; before the
    /// first use.
    pub fn set_bits(&self, bits: u32) {
        self.state.lock().bits = bits.min(GENERATION_SHIFT);
    }

    /// Puts `root` in use on this CPU, whose index is `cpu`; `None` leaves the
    /// user half empty. Never sleeps.
    ///
    /// # Safety
    /// The caller runs on CPU `cpu` and stays there, and the root is kept
    /// alive until another (or `None`) is in use on it.
    pub unsafe fn activate<H: Hardware>(&self, cpu: usize, root: Option<&Root<H>>) {
        let mut state = self.state.lock();
        let Some(root) = root else {
            state.active[cpu] = 0;
            state.reserved[cpu] = 0;
            H::set_no_tables();
            return;
        };
        let mut context = root.context.load(Ordering::Relaxed);
        if context >> GENERATION_SHIFT != state.generation >> GENERATION_SHIFT {
            context = state.assign(context);
            root.context.store(context, Ordering::Relaxed);
            // Visible before the table walker reads under it: whoever has
            // changed an entry that it still reads will flush this one.
            fence(Ordering::SeqCst);
        }
        if core::mem::take(&mut state.stale[cpu]) {
            H::flush_local();
        }
        state.active[cpu] = context;
        // SAFETY: the caller keeps the root alive.
        unsafe { H::set_tables(root.address(), context as u16) };
    }
}

impl<const CPUS: usize> State<CPUS> {
    /// An identifier of this generation for tables that had `old`.
    fn assign(&mut self, old: u64) -> u64 {
        let asid = old as u16 as usize;
        if old != 0 {
            let same = self.generation | asid as u64;
            if self.keep_reserved(old, same) || self.claim(asid) {
                return same;
            }
        }
        let asid = match self.find_free() {
            Some(asid) => asid,
            None => {
                self.new_generation();
                // More identifiers than CPUs: there is a free one.
                self.find_free().unwrap_or(0)
            }
        };
        self.claim(asid);
        self.next = asid + 1;
        self.generation | asid as u64
    }

    /// Whether `old` was in use when the generation began; then it goes on as
    /// `new`.
    fn keep_reserved(&mut self, old: u64, new: u64) -> bool {
        let mut found = false;
        for reserved in &mut self.reserved {
            if *reserved == old {
                *reserved = new;
                found = true;
            }
        }
        found
    }

    fn claim(&mut self, asid: usize) -> bool {
        let (word, bit) = (asid / 64, 1 << (asid % 64));
        let free = self.used[word] & bit == 0;
        self.used[word] |= bit;
        free
    }

    fn find_free(&self) -> Option<usize> {
        let end = 1usize << self.bits;
        let free = |&asid: &usize| self.used[asid / 64] & (1 << (asid % 64)) == 0;
        (self.next..end)
            .find(free)
            .or_else(|| (1..self.next.min(end)).find(free))
    }

    fn new_generation(&mut self) {
        self.generation += 1 << GENERATION_SHIFT;
        self.used.fill(0);
        self.next = 1;
        for cpu in 0..CPUS {
            // A CPU that has not switched since the last generation began has
            // its identifier in `reserved`, which `keep_reserved` maintains.
            let active = core::mem::take(&mut self.active[cpu]);
            if active != 0 {
                self.reserved[cpu] = active;
            }
            let reserved = self.reserved[cpu] as u16 as usize;
            self.claim(reserved);
        }
        self.stale.fill(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, Fake};
    use std::collections::BTreeSet;

    #[test]
    #[cfg_attr(miri, ignore = "tens of thousands of steps")]
    fn identifiers_in_use_are_unique_over_generations() {
        fake::reset(1000);
        let activator = Activator::<4>::new(8);
        let roots: Vec<_> = (0..600).map(|_| Root::<Fake>::new().unwrap()).collect();
        // What runs on each CPU, and under which identifier.
        let mut running: [Option<(usize, u16)>; 4] = [None; 4];
        let mut random = 1usize;
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            // CPU 3 switches rarely, so that it stays over generations.
            let cpu = if random >> 40 & 0x3ff == 0 {
                3
            } else {
                (random >> 32) % 3
            };
            let which = (random >> 50) % roots.len();
            // SAFETY: the fake CPU; all roots live to the end.
            unsafe { activator.activate(cpu, Some(&*roots[which])) };
            running[cpu] = Some((which, fake::tables_in_use().1));
            let running: BTreeSet<_> = running.iter().flatten().collect();
            let asids: BTreeSet<_> = running.iter().map(|(_, asid)| asid).collect();
            assert_eq!(asids.len(), running.len());
            for &&(which, asid) in &running {
                assert_eq!(asid, roots[which].asid());
                assert_ne!(asid, 0);
            }
        }
        assert!(fake::local_flushes() > 4);
    }

    #[test]
    fn a_root_keeps_its_identifier_while_there_is_room() {
        fake::reset(1000);
        let activator = Activator::<1>::new(16);
        let roots: Vec<_> = (0..100).map(|_| Root::<Fake>::new().unwrap()).collect();
        for _ in 0..3 {
            for (index, root) in roots.iter().enumerate() {
                // SAFETY: the fake CPU; all roots live to the end.
                unsafe { activator.activate(0, Some(&**root)) };
                assert_eq!(root.asid() as usize, index + 1);
            }
        }
        assert_eq!(fake::local_flushes(), 0);
    }
}
