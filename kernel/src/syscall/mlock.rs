//! Memory that stays: mlock(2), mlockall(2), mincore(2).

use super::Call;
use super::buffers::with_chunk;
use crate::arch::user_access::copy_to_user;
use crate::process::Arm;
use crate::process::memory::Memory;
use crate::process::object::RLIMIT_MEMLOCK;
use alloc::sync::Arc;
use paddock_abi::mman::{MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_mem::{Access, AddressSpace, FaultError, PAGE_SIZE, PageRange, populate};

/// Bytes that the caller may have locked. `EPERM` if it may not lock at all.
fn limit(call: &Call<'_>) -> Result<u64> {
    if call.capable(Cap::CAP_IPC_LOCK) {
        return Ok(u64::MAX);
    }
    match call.process().limit(RLIMIT_MEMLOCK) {
        0 => Err(Errno::EPERM),
        limit => Ok(limit),
    }
}

/// Whether `length` bytes more may be locked: mmap(2). `EAGAIN`, `EPERM`.
pub fn check_limit(call: &Call<'_>, space: &AddressSpace<Arm>, length: u64) -> Result<()> {
    let locked = space.counters().locked * PAGE_SIZE;
    match limit(call)?.checked_sub(locked) {
        Some(left) if length <= left => Ok(()),
        _ => Err(Errno::EAGAIN),
    }
}

/// Brings pages in; those that nobody may touch stay as they are.
fn bring_in(memory: &Memory, range: PageRange) -> Result<()> {
    match populate(&memory.space, range, Access::Read) {
        Ok(()) | Err(FaultError::NotAllowed) => Ok(()),
        Err(FaultError::NotMapped | FaultError::OutOfMemory) => Err(Errno::ENOMEM),
        Err(FaultError::Bus) => Err(Errno::EAGAIN),
    }
}

fn memory(call: &Call<'_>) -> Result<Arc<Memory>> {
    call.process().memory()
}

fn lock(call: &Call<'_>, brings_in: bool) -> Result<u64> {
    let limit = limit(call)?;
    let memory = memory(call)?;
    let (address, length) = (call.word(0), call.word(1));
    let range = memory
        .space
        .lock()
        .set_locked(address, length, true, limit)?;
    match range {
        Some(range) if brings_in => bring_in(&memory, range).map(|()| 0),
        _ => Ok(0),
    }
}

/// mlock(2).
pub fn mlock(call: &mut Call<'_>) -> Result<u64> {
    lock(call, true)
}

/// mlock2(2).
pub fn mlock2(call: &mut Call<'_>) -> Result<u64> {
    match call.uint(2) {
        0 => lock(call, true),
        MLOCK_ONFAULT => lock(call, false),
        _ => Err(Errno::EINVAL),
    }
}

/// munlock(2).
pub fn munlock(call: &mut Call<'_>) -> Result<u64> {
    let (address, length) = (call.word(0), call.word(1));
    memory(call)?
        .space
        .lock()
        .set_locked(address, length, false, 0)?;
    Ok(0)
}

/// mlockall(2).
pub fn mlockall(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(0);
    let what = flags & (MCL_CURRENT | MCL_FUTURE);
    if what == 0 || flags & !(what | MCL_ONFAULT) != 0 {
        return Err(Errno::EINVAL);
    }
    let limit = limit(call)?;
    let memory = memory(call)?;
    let mut space = memory.space.lock();
    if flags & MCL_CURRENT != 0 {
        space.set_all_locked(true, limit)?;
    }
    space.set_lock_future(flags & MCL_FUTURE != 0);
    if flags & MCL_CURRENT == 0 || flags & MCL_ONFAULT != 0 {
        return Ok(0);
    }
    let mut next = 0;
    while let Some(range) = space.range_after(next) {
        next = range.end();
        drop(space);
        // As Linux does: what cannot be had now is had when it is touched.
        let _ = bring_in(&memory, range);
        space = memory.space.lock();
    }
    Ok(0)
}

/// munlockall(2).
pub fn munlockall(call: &mut Call<'_>) -> Result<u64> {
    let memory = memory(call)?;
    let mut space = memory.space.lock();
    space.set_all_locked(false, 0)?;
    space.set_lock_future(false);
    Ok(0)
}

/// mincore(2).
pub fn mincore(call: &mut Call<'_>) -> Result<u64> {
    let (address, length, mut place) = (call.word(0), call.word(1), call.word(2));
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let memory = memory(call)?;
    let mut left = length.div_ceil(PAGE_SIZE);
    let mut at = address;
    with_chunk(left, |chunk| {
        while left > 0 {
            let count = left.min(chunk.len() as u64);
            let pages = &mut chunk[..count as usize];
            memory.space.lock().residency(at, pages)?;
            copy_to_user(place, pages)?;
            (at, place, left) = (at + count * PAGE_SIZE, place + count, left - count);
        }
        Ok(0)
    })
}
