//! futex(2) and its kin.

use super::Call;
use crate::arch::user_access::load_user_u32;
use crate::process::futex::*;
use crate::process::identity::may_inspect;
use crate::process::tree;
use crate::time;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_abi::mman::*;
use paddock_abi::time::{CLOCK_MONOTONIC, CLOCK_REALTIME, Timespec};
use paddock_abi::{Errno, Result};
use paddock_process::futex::Key;
use paddock_sync::{Deadline, NO_DEADLINE};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// futex(2): waiting, waking and moving, and locks that are handed over. Those have no
/// priority to lend: all threads share one class. `ENOSYS` for moving to them.
pub fn futex(call: &mut Call<'_>) -> Result<u64> {
    let operation = call.uint(1);
    let private = operation & FUTEX_PRIVATE_FLAG != 0;
    let own = |index: usize| key(call.thread, call.word(index), private);
    let value = call.uint(2);
    let command = operation & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    let has_clock = matches!(command, FUTEX_WAIT | FUTEX_WAIT_BITSET | FUTEX_LOCK_PI2);
    if operation & FUTEX_CLOCK_REALTIME != 0 && !has_clock {
        return Err(Errno::ENOSYS);
    }
    match command {
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
        FUTEX_LOCK_PI => lock(call, own(0)?, Some(absolute(call, FUTEX_CLOCK_REALTIME)?)),
        FUTEX_LOCK_PI2 => lock(call, own(0)?, Some(absolute(call, operation)?)),
        FUTEX_TRYLOCK_PI => lock(call, own(0)?, None),
        FUTEX_UNLOCK_PI => {
            let word = UserWord(call.word(0));
            PI_FUTEXES.unlock(own(0)?, call.thread.tid, &word)?;
            Ok(0)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// Takes a lock, unless it would have to wait and there is no time to.
fn lock(call: &Call<'_>, key: Key, wait: Option<Deadline>) -> Result<u64> {
    // With the lock, others may come to wait for this thread.
    is_awaited(call.thread);
    let (word, tid) = (UserWord(call.word(0)), call.thread.tid);
    let taken = PI_FUTEXES.lock(key, tid, &word, wait, owner_is_awaited);
    taken.map(|()| 0).map_err(|error| match error {
        Errno::EINTR => Errno::ERESTARTNOINTR,
        error => error,
    })
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
    Ok(u64::from(woken + moved))
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

/// The most futexes that futex_waitv(2) waits for.
const WAITV_MAX: u32 = 128;

/// `struct futex_waitv`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Waitv {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// futex_waitv(2): which of the futexes woke it.
pub fn futex_waitv(call: &mut Call<'_>) -> Result<u64> {
    let (count, waiters) = (call.uint(1), call.pointer::<Waitv>(0));
    if call.uint(2) != 0 || count == 0 || count > WAITV_MAX || waiters.is_null() {
        return Err(Errno::EINVAL);
    }
    let deadline = match call.pointer::<Timespec>(3).non_null() {
        None => NO_DEADLINE,
        Some(_) => match call.uint(4) {
            CLOCK_REALTIME => absolute(call, FUTEX_CLOCK_REALTIME)?,
            CLOCK_MONOTONIC => absolute(call, 0)?,
            _ => return Err(Errno::EINVAL),
        },
    };
    let mut wanted = Vec::new();
    let room = wanted.try_reserve_exact(count as usize);
    room.map_err(|_| Errno::ENOMEM)?;
    for index in 0..count as usize {
        let one = waiters.at(index)?.read()?;
        let known = one.flags & !FUTEX_PRIVATE_FLAG == FUTEX_32;
        if !known || one.reserved != 0 {
            return Err(Errno::EINVAL);
        }
        wanted.push(one);
    }
    let mut places = Vec::new();
    let room = places.try_reserve_exact(wanted.len());
    room.map_err(|_| Errno::ENOMEM)?;
    for one in &wanted {
        let private = one.flags & FUTEX_PRIVATE_FLAG != 0;
        let key = key(call.thread, one.address, private)?;
        places.push((key, FUTEX_BITSET_MATCH_ANY));
    }
    let unchanged = || {
        for one in &wanted {
            if u64::from(load_user_u32(one.address)?) != one.value & 0xffff_ffff {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let woken = FUTEXES.wait_any(&places, deadline, unchanged);
    woken
        .map(|index| index as u64)
        .map_err(|error| match error {
            Errno::EINTR => Errno::ERESTARTSYS,
            error => error,
        })
}

/// get_robust_list(2).
pub fn get_robust_list(call: &mut Call<'_>) -> Result<u64> {
    let list = match call.uint(0) {
        0 => call.thread.robust_list.load(Ordering::Relaxed),
        _ => {
            let tid = call.number(0)?;
            let process = tree().lock().process_of(tid).ok_or(Errno::ESRCH)?;
            may_inspect(&process).map_err(|_| Errno::EPERM)?;
            let thread = process.thread(tid).ok_or(Errno::ESRCH)?;
            thread.robust_list.load(Ordering::Relaxed)
        }
    };
    call.pointer::<u64>(1).write(&list)?;
    call.pointer::<u64>(2).write(&24)?;
    Ok(0)
}
