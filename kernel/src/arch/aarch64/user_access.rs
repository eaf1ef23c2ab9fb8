//! The one path by which the kernel touches user memory.
//!
//! The routines are in `vectors.s`, with a table that tells where to continue
//! after a fault that could not be repaired. They may sleep (a fault may read
//! a page from disk): thread context only.

use paddock_abi::{Errno, Result};
use paddock_sync::might_sleep;

/// Lowest user address: page 0 is never mapped.
pub const USER_MIN: u64 = 0x1000;
/// End of the user half of the address space.
pub const USER_END: u64 = 1 << 48;

unsafe extern "C" {
    fn copy_user(to: *mut u8, from: *const u8, length: usize) -> usize;
    fn user_load_u32(from: *const u32) -> u64;
    fn user_cas_u32(at: *mut u32, old: u32, new: u32) -> u64;
    static __fixups_start: Fixup;
    static __fixups_end: Fixup;
}

#[repr(C)]
struct Fixup {
    at: usize,
    to: usize,
}

/// Where to continue after a fault at the instruction `at`, if it is one of
/// the routines here.
pub fn fixup_for(at: usize) -> Option<usize> {
    let start = &raw const __fixups_start;
    let count = ((&raw const __fixups_end).addr() - start.addr()) / size_of::<Fixup>();
    // SAFETY: the linker script gathers the table between the two symbols.
    let table = unsafe { core::slice::from_raw_parts(start, count) };
    table
        .iter()
        .find(|fixup| fixup.at == at)
        .map(|fixup| fixup.to)
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
    might_sleep();
    check(from, to.len())?;
    // SAFETY: the target is ours, the source is checked to be a user address,
    // and faults are caught.
    let left = unsafe {
        copy_user(
            to.as_mut_ptr(),
            core::ptr::with_exposed_provenance(from as usize),
            to.len(),
        )
    };
    if left == 0 {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Copies to the current address space.
///
/// # Errors
/// `EFAULT`; part may have been written.
#[track_caller]
pub fn copy_to_user(to: u64, from: &[u8]) -> Result<()> {
    might_sleep();
    check(to, from.len())?;
    // SAFETY: the target is checked to be a user address, faults are caught.
    let left = unsafe {
        copy_user(
            core::ptr::with_exposed_provenance_mut(to as usize),
            from.as_ptr(),
            from.len(),
        )
    };
    if left == 0 {
        Ok(())
    } else {
        Err(Errno::EFAULT)
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
    let value = unsafe { user_load_u32(core::ptr::with_exposed_provenance(from as usize)) };
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
    let value = unsafe {
        user_cas_u32(
            core::ptr::with_exposed_provenance_mut(at as usize),
            old,
            new,
        )
    };
    u32::try_from(value).map_err(|_| Errno::EFAULT)
}
