//! Futexes: futex(2), and what a thread's end does to them.

use super::Call;
use crate::arch::user_access::{compare_exchange_user_u32, load_user_u32};
use crate::process::UserThread;
use crate::time;
use crate::user_memory::UserPtr;
use core::sync::atomic::Ordering;
use paddock_abi::mman::*;
use paddock_abi::time::Timespec;
use paddock_abi::{Errno, Result};
use paddock_mem::FutexKey;
use paddock_process::futex::{Futexes, Key};
use paddock_sync::{Deadline, NO_DEADLINE};

/// All futexes.
pub static FUTEXES: Futexes = Futexes::new();

/// What a futex at an address of the thread's memory is known by: in shared
/// memory by its place there, else by its address.
fn key(thread: &UserThread, address: u64, private: bool) -> Result<Key> {
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

/// futex(2): waiting, waking and moving, without priority inheritance
/// (`ENOSYS`).
pub fn futex(call: &mut Call<'_>) -> Result<u64> {
    let operation = call.uint(1);
    let private = operation & FUTEX_PRIVATE_FLAG != 0;
    let own = |index: usize| key(call.thread, call.word(index), private);
    let value = call.uint(2);
    match operation & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) {
        FUTEX_WAIT => wait(call, own(0)?, FUTEX_BITSET_MATCH_ANY, relative(call)?),
        FUTEX_WAIT_BITSET => wait(call, own(0)?, call.uint(5), absolute(call, operation)?),
        FUTEX_WAKE => Ok(u64::from(FUTEXES.wake(
            own(0)?,
            FUTEX_BITSET_MATCH_ANY,
            value,
        ))),
        FUTEX_WAKE_BITSET if call.uint(5) == 0 => Err(Errno::EINVAL),
        FUTEX_WAKE_BITSET => Ok(u64::from(FUTEXES.wake(own(0)?, call.uint(5), value))),
        FUTEX_REQUEUE => requeue(call, own(0)?, own(4)?, None),
        FUTEX_CMP_REQUEUE => requeue(call, own(0)?, own(4)?, Some(call.uint(5))),
        FUTEX_WAKE_OP => wake_op(call, own(0)?, own(4)?),
        _ => Err(Errno::ENOSYS),
    }
}

fn relative(call: &Call<'_>) -> Result<Deadline> {
    match call.pointer::<Timespec>(3).non_null() {
        Some(timeout) => Ok(call.deadline_in(timeout.read()?.to_nanos()?)),
        None => Ok(NO_DEADLINE),
    }
}

fn absolute(call: &Call<'_>, operation: u32) -> Result<Deadline> {
    let Some(timeout) = call.pointer::<Timespec>(3).non_null() else {
        return Ok(NO_DEADLINE);
    };
    let nanos = timeout.read()?.to_nanos()?;
    match operation & FUTEX_CLOCK_REALTIME {
        0 => Ok(nanos),
        _ => Ok(time::now().saturating_add(nanos.saturating_sub(time::wall()))),
    }
}

fn wait(call: &Call<'_>, key: Key, bitset: u32, deadline: Deadline) -> Result<u64> {
    if bitset == 0 {
        return Err(Errno::EINVAL);
    }
    let (address, expected) = (call.word(0), call.uint(2));
    let unchanged = || Ok(load_user_u32(address)? == expected);
    let restart = match deadline {
        NO_DEADLINE => Errno::ERESTARTSYS,
        // Only without a handler, and until the same time.
        _ => Errno::ERESTARTNOHAND,
    };
    let waited = FUTEXES.wait(key, bitset, deadline, unchanged);
    waited.map(|()| 0).map_err(|error| {
        if error == Errno::EINTR {
            call.restarting_at(deadline, restart)
        } else {
            error
        }
    })
}

fn requeue(call: &Call<'_>, from: Key, to: Key, expected: Option<u32>) -> Result<u64> {
    if let Some(expected) = expected
        && load_user_u32(call.word(0))? != expected
    {
        return Err(Errno::EAGAIN);
    }
    let (wake, limit) = (call.int(2), call.int(3));
    if wake < 0 || limit < 0 {
        return Err(Errno::EINVAL);
    }
    let (woken, moved) = FUTEXES.requeue(from, to, wake as u32, limit as u32)?;
    Ok(u64::from(if expected.is_some() {
        woken + moved
    } else {
        woken
    }))
}

/// `FUTEX_WAKE_OP`: changes the second word, wakes waiters of the first, and
/// of the second if its old value compares as asked.
fn wake_op(call: &Call<'_>, first: Key, second: Key) -> Result<u64> {
    let code = call.uint(5);
    let (operation, comparison) = (code >> 28 & 7, code >> 24 & 15);
    let argument = sign_extend(code >> 12 & 0xfff);
    let argument = if code >> 31 != 0 {
        1 << (argument & 31)
    } else {
        argument
    };
    let old = update(call.word(4), |old| apply(operation, old, argument))?;
    let mut woken = FUTEXES.wake(first, FUTEX_BITSET_MATCH_ANY, call.uint(2));
    if compares(comparison, old as i32, sign_extend(code & 0xfff) as i32)? {
        woken += FUTEXES.wake(second, FUTEX_BITSET_MATCH_ANY, call.uint(3));
    }
    Ok(u64::from(woken))
}

fn sign_extend(bits: u32) -> u32 {
    ((bits << 20) as i32 >> 20) as u32
}

/// Changes a user's word atomically; what it was.
fn update(address: u64, change: impl Fn(u32) -> Result<u32>) -> Result<u32> {
    let mut old = load_user_u32(address)?;
    loop {
        let found = compare_exchange_user_u32(address, old, change(old)?)?;
        if found == old {
            return Ok(old);
        }
        old = found;
    }
}

fn apply(operation: u32, old: u32, argument: u32) -> Result<u32> {
    Ok(match operation {
        0 => argument,
        1 => old.wrapping_add(argument),
        2 => old | argument,
        3 => old & !argument,
        4 => old ^ argument,
        _ => return Err(Errno::ENOSYS),
    })
}

fn compares(comparison: u32, old: i32, argument: i32) -> Result<bool> {
    Ok(match comparison {
        0 => old == argument,
        1 => old != argument,
        2 => old < argument,
        3 => old <= argument,
        4 => old > argument,
        5 => old >= argument,
        _ => return Err(Errno::ENOSYS),
    })
}

/// get_robust_list(2), for the calling thread.
pub fn get_robust_list(call: &mut Call<'_>) -> Result<u64> {
    if !matches!(call.uint(0), 0) && call.uint(0) != call.thread.tid {
        return Err(Errno::EPERM);
    }
    call.pointer::<u64>(1)
        .write(&call.thread.robust_list.load(Ordering::Relaxed))?;
    call.pointer::<u64>(2).write(&24)?;
    Ok(0)
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
