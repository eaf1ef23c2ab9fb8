//! All futexes, and what a thread's end does to them.

use super::{UserThread, numbers, tree};
use crate::arch::user_access::{compare_exchange_user_u32, load_user_u32};
use crate::user_memory::UserPtr;
use core::sync::atomic::Ordering;
use paddock_abi::mman::*;
use paddock_abi::{Errno, Result};
use paddock_mem::FutexKey;
use paddock_process::Local;
use paddock_process::futex::{Futexes, Key};
use paddock_process::pi_futex::{PiFutexes, Word};

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

/// Those that are handed over.
pub static PI_FUTEXES: PiFutexes = PiFutexes::new();

/// A word of the running program's.
pub struct UserWord(pub u64);

impl Word for UserWord {
    fn load(&self) -> Result<u32> {
        load_user_u32(self.0).map(found)
    }

    fn exchange(&self, old: u32, new: u32) -> Result<u32> {
        compare_exchange_user_u32(self.0, shown(old), shown(new)).map(found)
    }
}

/// A word with the kernel's number of the owner, for one with that which the running
/// program knows it by. Whom nobody knows is nobody, who owns it nevertheless.
fn found(word: u32) -> u32 {
    renumbered(word, |number| {
        let id = numbers::find(Local::new(number));
        id.unwrap_or(FUTEX_TID_MASK)
    })
}

/// The other way round.
fn shown(word: u32) -> u32 {
    renumbered(word, |id| numbers::known(id).get())
}

fn renumbered(word: u32, number: impl FnOnce(u32) -> u32) -> u32 {
    match word & FUTEX_TID_MASK {
        0 => word,
        owner => word & !FUTEX_TID_MASK | number(owner),
    }
}

/// What a thread has to do with futexes that are handed over.
#[repr(u8)]
enum HandedOver {
    Nothing,
    /// Somebody may wait for one that it has.
    Awaited,
    /// It has ended.
    Ended,
}

/// Somebody is about to wait for a lock of a thread's, which is told of that; whether it
/// has not ended.
pub fn is_awaited(thread: &UserThread) -> bool {
    let (nothing, awaited) = (HandedOver::Nothing as u8, HandedOver::Awaited as u8);
    let order = Ordering::SeqCst;
    let found = thread
        .handed_over
        .compare_exchange(nothing, awaited, order, order);
    found != Err(HandedOver::Ended as u8)
}

/// The same of the thread with a number.
pub fn owner_is_awaited(tid: u32) -> bool {
    let process = tree().lock().process_of(tid);
    let thread = process.and_then(|process| process.thread(tid));
    thread.is_some_and(|thread| is_awaited(&thread))
}

/// The thread ends: what it has goes to who waits for it.
pub fn pass_on_locks(thread: &UserThread) {
    let ended = HandedOver::Ended as u8;
    let was = thread.handed_over.swap(ended, Ordering::SeqCst);
    if was == HandedOver::Awaited as u8 {
        PI_FUTEXES.ended(thread.tid);
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
    if value & FUTEX_TID_MASK != thread.number.get() {
        return Ok(());
    }
    let old = update(address, |old| Ok((old & FUTEX_WAITERS) | FUTEX_OWNER_DIED))?;
    if old & FUTEX_WAITERS != 0 {
        wake_address(thread, address, 1);
    }
    Ok(())
}
