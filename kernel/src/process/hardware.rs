//! The hardware behind `paddock-mem`: frames, the direct map, and the
//! translation caches.

use super::{current, oom_group, reclaim};
use crate::arch::mmu;
use crate::memory::{self, frames, owners_of};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::{Errno, Result};
use paddock_frames::{AccountId, Kind, Refusal};
use paddock_mem::{Frame, Hardware, PhysAddr, Purpose, SharedFrame};
use paddock_sync::OnceCell;

/// A table that maps nothing, for kernel threads.
static EMPTY_TABLE: OnceCell<u64> = OnceCell::new();

/// This machine.
pub enum Arm {}

/// A user's page, or one of the page cache's.
pub type Page = SharedFrame<Arm>;

/// A page of zeros.
///
/// # Errors
/// `ENOMEM`.
pub fn zeroed_page(purpose: Purpose) -> Result<Page> {
    Frame::zeroed(purpose)
        .map(Frame::share)
        .ok_or(Errno::ENOMEM)
}

/// A page of unspecified content.
///
/// # Errors
/// `ENOMEM`.
pub fn unfilled_page(purpose: Purpose) -> Result<Page> {
    Frame::new(purpose).map(Frame::share).ok_or(Errno::ENOMEM)
}

/// Makes the empty table. Once, at boot.
pub fn init() {
    match frames::allocate_zeroed() {
        Some(frame) => {
            let _ = EMPTY_TABLE.set(frame);
        }
        None => panic!("no memory for the empty page table"),
    }
}

/// Takes a frame; again after the page cache has given some back, if there was
/// none.
fn take(account: AccountId, kind: Kind) -> Option<u64> {
    match frames::allocate_charged(account, kind) {
        Ok(frame) => Some(frame),
        Err(refusal) => take_again(account, kind, refusal),
    }
}

#[cold]
fn take_again(account: AccountId, kind: Kind, refusal: Refusal) -> Option<u64> {
    let refusal = match refusal {
        Refusal::None if reclaim::take_pages() => match frames::allocate_charged(account, kind) {
            Ok(frame) => return Some(frame),
            Err(refusal) => refusal,
        },
        refusal => refusal,
    };
    if let (Refusal::OverLimit(over), Some(thread)) = (refusal, current()) {
        oom_group::note(thread, over);
    }
    None
}

/// Who pays for memory of the running thread's process.
fn paying() -> AccountId {
    current().map_or(AccountId::NOBODY, |thread| {
        AccountId::from_u64(thread.process.memory_account.load(Relaxed))
    })
}

// SAFETY: frames come from the frame allocator, are reached through the direct
// map, and their words of shares are nobody else's.
unsafe impl Hardware for Arm {
    fn allocate(purpose: Purpose) -> Option<PhysAddr> {
        let frame = match purpose {
            Purpose::Private => take(paying(), Kind::Anonymous),
            Purpose::Shared => take(paying(), Kind::Shared),
            Purpose::Table => take(paying(), Kind::Tables),
            Purpose::Common => take(AccountId::NOBODY, Kind::Shared),
        };
        frame.map(PhysAddr)
    }

    unsafe fn free(frame: PhysAddr) {
        // SAFETY: the caller's promise.
        unsafe { frames::free(frame.0, 1) };
    }

    fn shares(frame: PhysAddr) -> &'static AtomicU32 {
        owners_of(frame.0)
    }

    fn pointer(frame: PhysAddr) -> *mut u8 {
        memory::phys_to_virt(frame.0)
    }

    fn publish_entries() {
        mmu::publish();
    }

    fn flush_page(asid: u16, address: u64) {
        mmu::flush_user_page(asid, address);
    }

    fn flush_asid(asid: u16) {
        mmu::flush_asid(asid);
    }

    fn flush_local() {
        mmu::flush_all();
    }

    fn publish_code(start: *const u8, length: usize) {
        mmu::publish_code(start, length);
    }

    unsafe fn set_tables(root: PhysAddr, asid: u16) {
        mmu::set_user_tables(root.0, asid);
    }

    fn set_no_tables() {
        mmu::set_user_tables(EMPTY_TABLE.get().copied().unwrap_or(0), 0);
    }
}
