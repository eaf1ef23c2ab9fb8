//! All that this crate knows of the machine.

use crate::address::PhysAddr;
use core::sync::atomic::AtomicU32;

/// What a frame is for: whoever counts memory tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Private memory of a program.
    Private,
    /// Memory that programs share, and files in memory.
    Shared,
    /// A page table.
    Table,
    /// What is kept for all: pages of files on disks, and the kernel's own.
    Common,
}

/// The machine, as a type without a value.
///
/// # Safety
/// The implementation keeps every promise below; memory safety rests on them.
pub unsafe trait Hardware: Sized + Send + Sync + 'static {
    /// A free frame for user memory or its page tables, content undefined.
    /// Should leave a reserve for the kernel itself. Never sleeps.
    fn allocate(purpose: Purpose) -> Option<PhysAddr>;

    /// Takes back a frame that [`Hardware::allocate`] gave. Never sleeps.
    ///
    /// # Safety
    /// Nobody uses or maps the frame any more.
    unsafe fn free(frame: PhysAddr);

    /// The word that counts the shares of a frame from
    /// [`Hardware::allocate`]: one for each frame, zero at first, and touched
    /// by nobody else.
    fn shares(frame: PhysAddr) -> &'static AtomicU32;

    /// Where the kernel sees the frame's 4096 bytes: readable, writable,
    /// page-aligned.
    fn pointer(frame: PhysAddr) -> *mut u8;

    /// Makes entries that were invalid before visible to all table walkers
    /// (`dsb ishst; isb`).
    fn publish_entries();

    /// Forgets one page's translation, and the walk to it, on all CPUs; done
    /// when it returns.
    fn flush_page(asid: u16, address: u64);

    /// Forgets all translations of an address-space id on all CPUs; done when
    /// it returns.
    fn flush_asid(asid: u16);

    /// Forgets all user translations on this CPU only.
    fn flush_local();

    /// Makes instructions that were written to memory fetchable on all CPUs.
    fn publish_code(start: *const u8, length: usize);

    /// Puts the tables at `root` in use for the user half of this CPU, under
    /// the address-space id `asid`. Called by [`crate::Activator`] alone.
    ///
    /// # Safety
    /// The tables stay alive until other ones are in use on this CPU.
    unsafe fn set_tables(root: PhysAddr, asid: u16);

    /// Leaves the user half of this CPU empty: tables without entries, or
    /// walks turned off, under the address-space id 0.
    fn set_no_tables();
}
