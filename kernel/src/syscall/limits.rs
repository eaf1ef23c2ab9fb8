//! Resource limits: getrlimit(2), prlimit(2), and what they bind.

use super::Call;
use crate::process::limits::NR_OPEN;
use crate::process::object::{
    LIMITS, Limit, RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE,
    RLIMIT_SIGPENDING, RLIMIT_STACK,
};
use crate::process::{self, Process, cpu_clock, tree};
use alloc::sync::Arc;
use paddock_abi::process::Rlimit;
use paddock_abi::signal::{SIGXFSZ, Siginfo};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;

/// The process whose limits are meant. `EPERM` for one that is not the
/// caller's, `ESRCH`.
fn target(call: &Call<'_>) -> Result<Arc<Process>> {
    let own = call.process();
    match call.uint(0) {
        0 => Ok(own.clone()),
        _ => {
            let pid = call.number(0)?;
            let process = tree().lock().process_of(pid).ok_or(Errno::ESRCH)?;
            let theirs = process.cred();
            let may =
                Arc::ptr_eq(own, &process) || call.thread.with_cred(|cred| cred.may_limit(&theirs));
            may.then_some(process).ok_or(Errno::EPERM)
        }
    }
}

/// prlimit64(2).
pub fn prlimit64(call: &mut Call<'_>) -> Result<u64> {
    let which = call.uint(1) as usize;
    if which >= LIMITS {
        return Err(Errno::EINVAL);
    }
    let new = match call.pointer::<Rlimit>(2).non_null() {
        Some(new) => Some(new.read()?),
        None => None,
    };
    let process = target(call)?;
    let (soft, hard) = match new {
        Some(new) => change(call, &process, which, new)?,
        None => process.limits.lock()[which],
    };
    if let Some(place) = call.pointer::<Rlimit>(3).non_null() {
        place.write(&Rlimit {
            rlim_cur: soft,
            rlim_max: hard,
        })?;
    }
    Ok(0)
}

/// Sets a limit, of an index that there is; what it was. `EINVAL`, `EPERM`.
fn change(call: &Call<'_>, process: &Process, which: usize, new: Rlimit) -> Result<Limit> {
    if new.rlim_cur > new.rlim_max {
        return Err(Errno::EINVAL);
    }
    if which == RLIMIT_NOFILE && new.rlim_max > NR_OPEN {
        return Err(Errno::EPERM);
    }
    let may_raise = call.capable(Cap::CAP_SYS_RESOURCE);
    let mut limits = process.limits.lock();
    let old = limits[which];
    if new.rlim_max > old.1 && !may_raise {
        return Err(Errno::EPERM);
    }
    limits[which] = (new.rlim_cur, new.rlim_max);
    drop(limits);
    bind(process, which, new.rlim_cur);
    Ok(old)
}

/// Tells whoever keeps a copy of a limit.
fn bind(process: &Process, which: usize, soft: u64) {
    match which {
        RLIMIT_CPU => cpu_clock::changed(process),
        RLIMIT_SIGPENDING => process.signals.lock().set_queue_limit(soft),
        RLIMIT_AS | RLIMIT_DATA | RLIMIT_STACK => {
            if let Ok(memory) = process.memory() {
                let mut space = memory.space.lock();
                let limits = process.memory_limits(space.limits());
                space.set_limits(limits);
            }
        }
        _ => {}
    }
}

/// getrlimit(2).
pub fn getrlimit(call: &mut Call<'_>) -> Result<u64> {
    let limits = *call.process().limits.lock();
    let (soft, hard) = *limits.get(call.uint(0) as usize).ok_or(Errno::EINVAL)?;
    call.pointer::<Rlimit>(1).write(&Rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    })?;
    Ok(0)
}

/// setrlimit(2).
pub fn setrlimit(call: &mut Call<'_>) -> Result<u64> {
    let which = call.uint(0) as usize;
    if which >= LIMITS {
        return Err(Errno::EINVAL);
    }
    let new = call.pointer::<Rlimit>(1).read()?;
    change(call, call.process(), which, new)?;
    Ok(0)
}

/// How much of `length` bytes at `position` may be written to a regular file
/// (`RLIMIT_FSIZE`). `EFBIG`, and `SIGXFSZ`, if nothing may.
pub fn file_size(call: &Call<'_>, position: u64, length: u64) -> Result<u64> {
    let limit = call.process().limit(RLIMIT_FSIZE);
    if length == 0 || position < limit {
        return Ok(length.min(limit.saturating_sub(position)));
    }
    let info = Siginfo::kernel(SIGXFSZ);
    let _ = process::send_to_thread(call.process(), call.thread.tid, &info);
    Err(Errno::EFBIG)
}

/// Whether a regular file may become so long, from `now`.
pub fn new_file_size(call: &Call<'_>, now: u64, size: u64) -> Result<()> {
    let limit = call.process().limit(RLIMIT_FSIZE);
    match size > now && size > limit {
        true => file_size(call, limit, 1).map(drop),
        false => Ok(()),
    }
}
