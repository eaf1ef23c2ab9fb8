//! The one path by which the kernel touches user memory.
//!
//! The routines are in `user_copy.s`, with a table that tells where to continue
//! after a fault that is not repaired. Those that have faults repaired may sleep
//! (a fault may read a page from disk): thread context only.

use core::sync::atomic::AtomicU8;
use paddock_abi::{Errno, Result};
use paddock_sync::might_sleep;
use paddock_user_io::{Access, Faults, UserCopy};

/// Lowest user address: page 0 is never mapped.
pub const USER_MIN: u64 = 0x1000;
/// End of the user half of the address space.
pub const USER_END: u64 = 1 << 48;

const PAGE: u64 = 4096;

unsafe extern "C" {
    fn copy_user(to: *mut u8, from: *const u8, length: usize) -> usize;
    fn copy_user_atomic(to: *mut u8, from: *const u8, length: usize) -> usize;
    fn zero_user(to: *mut u8, length: usize) -> usize;
    fn user_load_u32(from: *const u32) -> u64;
    fn user_cas_u32(at: *mut u32, old: u32, new: u32) -> u64;
    fn user_touch_read(at: *const u8) -> u64;
    fn user_touch_write(at: *mut u8) -> u64;
    static __fixups_start: Fixup;
    static __fixups_end: Fixup;
}

/// What to do about a fault of an instruction of the routines.
#[repr(C)]
pub struct Fixup {
    at: usize,
    /// Where to continue if the fault is not repaired.
    pub to: usize,
    resolved: usize,
}

impl Fixup {
    /// Whether it may be repaired: otherwise the thread must not sleep.
    pub fn may_repair(&self) -> bool {
        self.resolved != 0
    }
}

/// What to do about a fault at the instruction `at`, if it is one of the routines
/// here.
pub fn fixup_for(at: usize) -> Option<&'static Fixup> {
    let start = &raw const __fixups_start;
    let count = ((&raw const __fixups_end).addr() - start.addr()) / size_of::<Fixup>();
    // SAFETY: the linker script gathers the table between the two symbols.
    let table = unsafe { core::slice::from_raw_parts(start, count) };
    // In the order of the instructions, as `user_copy.s` has them.
    let index = table.binary_search_by_key(&at, |fixup| fixup.at).ok()?;
    table.get(index)
}

/// The memory of the program that this thread runs.
pub struct UserMemory;

impl UserMemory {
    /// Copies `length` bytes; how many it was.
    ///
    /// # Safety
    /// The side that is not checked to be a user's is the kernel's, so long, and to
    /// be read or written.
    #[track_caller]
    unsafe fn copy(to: *mut u8, from: *const u8, length: usize, faults: Faults) -> usize {
        let left = match faults {
            Faults::Resolved => {
                might_sleep();
                // SAFETY: the caller's promise; faults are caught.
                unsafe { copy_user(to, from, length) }
            }
            // SAFETY: as above.
            Faults::Refused => unsafe { copy_user_atomic(to, from, length) },
        };
        length - left
    }
}

impl UserCopy for UserMemory {
    fn copy_in(&self, to: &mut [u8], from: u64, faults: Faults) -> usize {
        if check(from, to.len()).is_err() {
            return 0;
        }
        // SAFETY: the target is ours, the source is checked to be a user's.
        unsafe { UserMemory::copy(to.as_mut_ptr(), pointer(from), to.len(), faults) }
    }

    fn copy_out(&self, to: u64, from: &[u8], faults: Faults) -> usize {
        if check(to, from.len()).is_err() {
            return 0;
        }
        // SAFETY: the source is ours, the target is checked to be a user's.
        unsafe { UserMemory::copy(pointer_mut(to), from.as_ptr(), from.len(), faults) }
    }

    fn copy_in_shared(&self, to: &[AtomicU8], from: u64, faults: Faults) -> usize {
        if check(from, to.len()).is_err() {
            return 0;
        }
        let target = to.as_ptr().cast::<u8>().cast_mut();
        // SAFETY: as in `copy_in`; the bytes are atomic, so that others may use them
        // meanwhile, and the routine is not subject to Rust's rules for races.
        unsafe { UserMemory::copy(target, pointer(from), to.len(), faults) }
    }

    fn copy_out_shared(&self, to: u64, from: &[AtomicU8], faults: Faults) -> usize {
        if check(to, from.len()).is_err() {
            return 0;
        }
        // SAFETY: as in `copy_out` and `copy_in_shared`.
        unsafe { UserMemory::copy(pointer_mut(to), from.as_ptr().cast(), from.len(), faults) }
    }

    fn zero(&self, to: u64, length: usize) -> usize {
        might_sleep();
        if check(to, length).is_err() {
            return 0;
        }
        // SAFETY: the target is checked to be a user's; faults are caught.
        length - unsafe { zero_user(pointer_mut(to), length) }
    }

    fn fault_in(&self, address: u64, length: usize, access: Access) -> usize {
        might_sleep();
        if check(address, length).is_err() {
            return 0;
        }
        let end = address + length as u64;
        let mut at = address;
        while at < end {
            // SAFETY: a checked user address; faults are caught, and no byte changes.
            let failed = unsafe {
                match access {
                    Access::Read => user_touch_read(pointer(at)),
                    Access::Write => user_touch_write(pointer_mut(at)),
                }
            };
            if failed != 0 {
                break;
            }
            at = (at / PAGE + 1) * PAGE;
        }
        (at.min(end) - address) as usize
    }
}

fn pointer<T>(address: u64) -> *const T {
    core::ptr::with_exposed_provenance(address as usize)
}

fn pointer_mut<T>(address: u64) -> *mut T {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

fn check(address: u64, length: usize) -> Result<()> {
    let end = address.checked_add(length as u64).ok_or(Errno::EFAULT)?;
    if end > USER_END || (length > 0 && address < USER_MIN) {
        return Err(Errno::EFAULT);
    }
    Ok(())
}

/// Copies from the current address space.
///
/// # Errors
/// `EFAULT`; the buffer's content is then unspecified.
#[track_caller]
pub fn copy_from_user(to: &mut [u8], from: u64) -> Result<()> {
    whole(to.len(), UserMemory.copy_in(to, from, Faults::Resolved))
}

/// Copies to the current address space.
///
/// # Errors
/// `EFAULT`; part may have been written.
#[track_caller]
pub fn copy_to_user(to: u64, from: &[u8]) -> Result<()> {
    whole(from.len(), UserMemory.copy_out(to, from, Faults::Resolved))
}

fn whole(length: usize, copied: usize) -> Result<()> {
    match copied == length {
        true => Ok(()),
        false => Err(Errno::EFAULT),
    }
}

/// Reads an aligned word from the current address space in one access.
///
/// # Errors
/// `EFAULT`, or `EINVAL` if it is not aligned.
#[track_caller]
pub fn load_user_u32(from: u64) -> Result<u32> {
    might_sleep();
    check(from, 4)?;
    if !from.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    // SAFETY: a checked user address; faults are caught.
    let value = unsafe { user_load_u32(pointer(from)) };
    u32::try_from(value).map_err(|_| Errno::EFAULT)
}

/// Atomically replaces an aligned word of the current address space by `new`
/// if it is `old`; returns what was there.
///
/// # Errors
/// `EFAULT`, or `EINVAL` if it is not aligned.
#[track_caller]
pub fn compare_exchange_user_u32(at: u64, old: u32, new: u32) -> Result<u32> {
    might_sleep();
    check(at, 4)?;
    if !at.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    // SAFETY: a checked user address; faults are caught.
    let value = unsafe { user_cas_u32(pointer_mut(at), old, new) };
    u32::try_from(value).map_err(|_| Errno::EFAULT)
}
