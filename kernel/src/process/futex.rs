//! All futexes, and what a thread's end does to them.

use super::UserThread;
use crate::arch::user_access::{compare_exchange_user_u32, load_user_u32};
use crate::user_memory::UserPtr;
use core::sync::atomic::Ordering;
use paddock_abi::mman::*;
use paddock_abi::{Errno, Result};
use paddock_mem::FutexKey;
use paddock_process::futex::{Futexes, Key};

/// All futexes.
pub static FUTEXES: Futexes = Futexes::new();

/// What a futex at an address of the thread's memory is known by: in shared
/// memory by its place there, else by its address.
///
/// # Errors
/// `EINVAL` if it is not aligned, `EFAULT`.
pub fn key(thread: &UserThread, address: u64, private: bool) -> Result<Key> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let memory = thread.process.memory()?;
    let key = if private {
        FutexKey::Private {
            space: memory.id(),
            address,
        }
    } else {
        memory.space.lock().futex_key(address, false)?
    };
    Ok(match key {
        FutexKey::Private { space, address } => Key::Private { space, address },
        FutexKey::Shared {
            object: (device, inode),
            offset,
        } => Key::Shared {
            object: device.rotate_left(32) ^ inode,
            offset,
        },
    })
}

/// Wakes up to `count` waiters of an address of the thread's memory.
pub fn wake_address(thread: &UserThread, address: u64, count: u32) {
    for private in [true, false] {
        if let Ok(key) = key(thread, address, private) {
            FUTEXES.wake(key, u32::MAX, count);
        }
    }
}

/// Changes a user's word atomically; what it was.
///
/// # Errors
/// `EFAULT`, and those of `change`.
pub fn update(address: u64, change: impl Fn(u32) -> Result<u32>) -> Result<u32> {
    let mut old = load_user_u32(address)?;
    loop {
        let found = compare_exchange_user_u32(address, old, change(old)?)?;
        if found == old {
            return Ok(old);
        }
        old = found;
    }
}

/// Tells the waiters of robust locks that their holder has ended
/// (set_robust_list(2)). The list is the program's, and is distrusted.
pub fn release_robust_list(thread: &UserThread) {
    let head = thread.robust_list.swap(0, Ordering::Relaxed);
    if head != 0 {
        // What cannot be read ends the walk: there is nobody to tell.
        let _ = walk_robust_list(thread, head);
    }
}

fn walk_robust_list(thread: &UserThread, head: u64) -> Result<()> {
    let [first, offset, pending] = UserPtr::<[u64; 3]>::new(head).read()?;
    let mut entry = first;
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry == head {
            break;
        }
        let next = UserPtr::<u64>::new(entry & !1).read()?;
        if entry != pending {
            release_lock(thread, (entry & !1).wrapping_add(offset))?;
        }
        entry = next;
    }
    if pending != 0 {
        release_lock(thread, (pending & !1).wrapping_add(offset))?;
    }
    Ok(())
}

fn release_lock(thread: &UserThread, address: u64) -> Result<()> {
    let value = load_user_u32(address)?;
    if value & FUTEX_TID_MASK != thread.tid {
        return Ok(());
    }
    let old = update(address, |old| Ok((old & FUTEX_WAITERS) | FUTEX_OWNER_DIED))?;
    if old & FUTEX_WAITERS != 0 {
        wake_address(thread, address, 1);
    }
    Ok(())
}
