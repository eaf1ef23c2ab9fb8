//! I/O priorities: ioprio_set(2), ioprio_get(2).

use super::{Call, priority};
use crate::thread::Thread;
use core::sync::atomic::Ordering;
use paddock_abi::process::{PRIO_PROCESS, PRIO_USER};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;

/// A priority is a class and, below it, a level.
const CLASS_SHIFT: u32 = 13;
const NO_CLASS: u32 = 0;
const REAL_TIME: u32 = 1;
const BEST_EFFORT: u32 = 2;
const IDLE: u32 = 3;
const LEVELS: u32 = 8;

/// Whose priorities the arguments mean: their kinds are numbered like those of
/// getpriority(2), from one. `EINVAL`.
fn whose(call: &Call<'_>) -> Result<(u32, u32)> {
    let which = call.uint(0).checked_sub(1).filter(|&it| it <= PRIO_USER);
    Ok((which.ok_or(Errno::EINVAL)?, call.uint(1)))
}

/// `EINVAL` for what is no priority; `EPERM` for one that the caller may not have.
fn check(call: &Call<'_>, priority: u32) -> Result<()> {
    let level = priority & ((1 << CLASS_SHIFT) - 1);
    let class = priority >> CLASS_SHIFT & 7;
    if class == REAL_TIME && !call.capable(Cap::CAP_SYS_ADMIN) {
        call.require(Cap::CAP_SYS_NICE)?;
    }
    match class {
        REAL_TIME | BEST_EFFORT if level < LEVELS => Ok(()),
        NO_CLASS if level == 0 => Ok(()),
        IDLE => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// ioprio_set(2): the priority is kept and told; a virtual disk has one queue, in
/// which all are served in turn.
pub fn ioprio_set(call: &mut Call<'_>) -> Result<u64> {
    let priority = call.uint(2);
    check(call, priority)?;
    let own = call.thread.cred();
    let mut result = Ok(0);
    priority::for_each(call, whose(call)?, |thread, _| {
        let real = thread.process.cred().uid.real;
        let may = real == own.uid.effective || real == own.uid.real;
        match may || own.capable(Cap::CAP_SYS_NICE) {
            true => thread.ioprio.store(priority, Ordering::Relaxed),
            false => result = Err(Errno::EPERM),
        }
    })?;
    result
}

/// ioprio_get(2): of one thread what was set; of several the best.
pub fn ioprio_get(call: &mut Call<'_>) -> Result<u64> {
    let whose = whose(call)?;
    let mut best = u32::MAX;
    priority::for_each(call, whose, |thread, kernel| {
        let set = thread.ioprio.load(Ordering::Relaxed);
        best = best.min(match whose.0 {
            PRIO_PROCESS => set,
            _ => effective(set, kernel),
        });
    })?;
    Ok(u64::from(best))
}

/// Who has set none has one that follows from how nice it is.
fn effective(set: u32, thread: &Thread) -> u32 {
    match set >> CLASS_SHIFT {
        NO_CLASS => (BEST_EFFORT << CLASS_SHIFT) + (thread.nice() + 20) as u32 / 5,
        _ => set,
    }
}
