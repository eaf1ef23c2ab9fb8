//! Page frames, and who may take the last ones.
//!
//! Two reserves keep the machine usable when programs have taken all else.
//! The *kernel's* serves small allocations that cannot fail (a node of a map,
//! a counted reference); nothing that a program can ask for without end comes
//! out of it, and every system call that begins while it is touched frees
//! memory first (`process::oom`). The *operator's* is left by all but process 1,
//! logins of root and the kernel's own threads.

use super::injected;
use crate::arch::{cpu, mmu::phys_to_virt};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use paddock_frames::{AccountId, FRAME_SIZE, Frames, Kind, Refusal};
use paddock_sync::{Rank, SpinLock};

const PAGE: usize = FRAME_SIZE as usize;

pub(super) static FRAMES: SpinLock<Frames> = SpinLock::new(Rank::Frames, Frames::empty());

/// Frames handed over at boot.
static TOTAL: AtomicUsize = AtomicUsize::new(0);
/// Free frames, for those who only look.
static FREE: AtomicUsize = AtomicUsize::new(0);
/// One frame in so many is left free by caches that grow.
const AMPLE_SHARE: usize = 4;
/// Whether programs are at their reserves, or nearly so.
static LOW: AtomicBool = AtomicBool::new(false);
static KERNEL_RESERVE: AtomicUsize = AtomicUsize::new(0);
static OPERATOR_RESERVE: AtomicUsize = AtomicUsize::new(0);
/// Frames above the reserves below which memory counts as low.
const MARGIN: usize = 32;

/// Which of the reserves a thread leaves alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reserve {
    /// Neither: the kernel's own threads, and processes that are ending.
    None,
    /// The kernel's.
    Kernel,
    /// Both.
    Both,
}

impl Reserve {
    /// From `self as u8`.
    pub fn from_u8(value: u8) -> Reserve {
        match value {
            0 => Reserve::None,
            1 => Reserve::Kernel,
            _ => Reserve::Both,
        }
    }

    /// Those that the running thread leaves alone.
    pub fn of_running() -> Reserve {
        Reserve::from_u8(cpu::current().reserve.load(Relaxed))
    }

    /// Frames that stay free.
    fn floor(self) -> usize {
        match self {
            Reserve::None => 0,
            Reserve::Kernel => KERNEL_RESERVE.load(Relaxed),
            Reserve::Both => KERNEL_RESERVE.load(Relaxed) + OPERATOR_RESERVE.load(Relaxed),
        }
    }
}

/// Sets the reserves by the memory there is. Once, at boot.
pub(super) fn init_reserves() {
    let total = FRAMES.lock().total();
    TOTAL.store(total, Relaxed);
    KERNEL_RESERVE.store((total / 128).clamp(32, 512), Relaxed);
    OPERATOR_RESERVE.store((total / 32).clamp(24, 2048), Relaxed);
    publish(&FRAMES.lock());
}

/// The reserves in bytes: (the kernel's, the operator's).
pub fn reserves() -> (usize, usize) {
    (
        KERNEL_RESERVE.load(Relaxed) * PAGE,
        OPERATOR_RESERVE.load(Relaxed) * PAGE,
    )
}

/// After every change, with the lock held.
fn publish(frames: &Frames) {
    let free = frames.free_frames();
    FREE.store(free, Relaxed);
    let low = free < Reserve::Both.floor() + MARGIN;
    if LOW.load(Relaxed) != low {
        LOW.store(low, Relaxed);
    }
}

/// Whether a system call should look after memory before it begins. Any
/// context.
#[inline]
pub fn is_low() -> bool {
    LOW.load(Relaxed)
}

/// Whether so much is free that caches may grow: programs that start then find memory
/// at once, and large allocations find it in one piece. Any context.
pub fn is_ample() -> bool {
    FREE.load(Relaxed) > TOTAL.load(Relaxed) / AMPLE_SHARE
}

/// Frames that the running thread may still take.
pub fn left_for_thread() -> usize {
    let floor = Reserve::of_running().floor();
    FREE.load(Relaxed).saturating_sub(floor)
}

/// Frames of the running thread's floor that are gone: taken by allocations
/// that cannot fail.
pub fn missing_for_thread() -> usize {
    let floor = Reserve::of_running().floor();
    floor.saturating_sub(FREE.load(Relaxed))
}

fn allocate_above(count: usize, floor: usize) -> Option<u64> {
    let mut frames = FRAMES.lock();
    let block = frames.allocate_run(count, floor);
    publish(&frames);
    block
}

/// Contiguous frames for the kernel itself, not cleared, from its reserve if
/// need be: their physical address. Any context.
pub fn allocate(count: usize) -> Option<u64> {
    allocate_above(count, 0)
}

/// Contiguous frames on behalf of the running thread, which leaves the
/// reserves alone that are not its own. Any context.
pub fn allocate_for_thread(count: usize) -> Option<u64> {
    if injected::fails_now() {
        return None;
    }
    allocate_above(count, Reserve::of_running().floor())
}

/// A frame on behalf of the running thread, charged to an account. Any context.
///
/// # Errors
/// Why there is none.
#[inline]
pub fn allocate_charged(account: AccountId, kind: Kind) -> Result<u64, Refusal> {
    if injected::fails_now() {
        return Err(Refusal::None);
    }
    let floor = Reserve::of_running().floor();
    let mut frames = FRAMES.lock();
    let frame = frames.allocate_charged(1, floor, account, kind);
    publish(&frames);
    frame
}

/// Whether a small allocation may be made on behalf of the running thread; if
/// so it succeeds, from the kernel's reserve if others are quicker. Any
/// context.
pub fn may_allocate() -> bool {
    !injected::fails_now() && FREE.load(Relaxed) > Reserve::of_running().floor()
}

/// Gives frames back. Any context.
///
/// # Safety
/// They came from an allocation of so many, and nobody uses or maps them.
pub unsafe fn free(physical: u64, count: usize) {
    let mut frames = FRAMES.lock();
    frames.free_run(physical, count);
    publish(&frames);
}

/// One frame filled with zeros, for the kernel itself.
pub fn allocate_zeroed() -> Option<u64> {
    let frame = allocate(1)?;
    // SAFETY: the frame is ours and in the direct map.
    unsafe { phys_to_virt(frame).write_bytes(0, PAGE) };
    Some(frame)
}

/// Frames of the machine; the same from boot on. Any context.
pub fn total() -> usize {
    TOTAL.load(Relaxed)
}

/// (total, free, fewest ever free) frames.
pub fn counts() -> (usize, usize, usize) {
    let frames = FRAMES.lock();
    (frames.total(), frames.free_frames(), frames.least_free())
}
