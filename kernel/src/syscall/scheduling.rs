//! Scheduling and resources: sched_yield(2), sched_getaffinity(2),
//! getrlimit(2), getrusage(2), getpriority(2).

use super::Call;
use crate::arch::user_access::copy_to_user;
use crate::thread;
use crate::user::{Process, tree};
use alloc::sync::Arc;
use paddock_abi::process::*;
use paddock_abi::{Errno, Result};
use paddock_process::Usage;

/// sched_yield(2).
pub fn sched_yield(_: &mut Call<'_>) -> Result<u64> {
    thread::yield_now();
    Ok(0)
}

fn target(call: &Call<'_>, index: usize) -> Result<Arc<Process>> {
    match call.int(index) {
        0 => Ok(call.process().clone()),
        pid if pid > 0 => tree().lock().process_of(pid as u32).ok_or(Errno::ESRCH),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_getaffinity(2): the one CPU that threads run on.
pub fn sched_getaffinity(call: &mut Call<'_>) -> Result<u64> {
    target(call, 0)?;
    if call.uint(1) < 8 {
        return Err(Errno::EINVAL);
    }
    copy_to_user(call.word(2), &1u64.to_le_bytes())?;
    Ok(8)
}

/// sched_setaffinity(2): a set that has the one CPU. `EINVAL` otherwise.
pub fn sched_setaffinity(call: &mut Call<'_>) -> Result<u64> {
    target(call, 0)?;
    if call.uint(1) == 0 {
        return Err(Errno::EINVAL);
    }
    let first = call.pointer::<u8>(2).read()?;
    if first & 1 != 0 {
        Ok(0)
    } else {
        Err(Errno::EINVAL)
    }
}

/// sched_getscheduler(2): everyone's is the ordinary one.
pub fn sched_getscheduler(call: &mut Call<'_>) -> Result<u64> {
    target(call, 0)?;
    Ok(0)
}

/// sched_getparam(2): the ordinary policy has priority zero.
pub fn sched_getparam(call: &mut Call<'_>) -> Result<u64> {
    target(call, 0)?;
    call.pointer::<i32>(1).write(&0)?;
    Ok(0)
}

/// sched_setscheduler(2): to the ordinary policy only.
pub fn sched_setscheduler(call: &mut Call<'_>) -> Result<u64> {
    target(call, 0)?;
    let priority = call.pointer::<i32>(2).read()?;
    match (call.uint(1), priority) {
        (0, 0) => Ok(0),
        (1 | 2, _) => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_get_priority_max(2) and sched_get_priority_min(2): the ordinary
/// policy has one priority.
pub fn sched_get_priority(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) == 0 {
        Ok(0)
    } else {
        Err(Errno::EINVAL)
    }
}

/// getpriority(2): nobody is nicer than others; 20 stands for nice value 0.
pub fn getpriority(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) > 2 {
        Err(Errno::EINVAL)
    } else {
        Ok(20)
    }
}

/// setpriority(2): to the one there is.
pub fn setpriority(call: &mut Call<'_>) -> Result<u64> {
    match (call.uint(0), call.int(2)) {
        (0..=2, 0) => Ok(0),
        (0..=2, _) => Err(Errno::EACCES),
        _ => Err(Errno::EINVAL),
    }
}

/// prlimit64(2).
pub fn prlimit64(call: &mut Call<'_>) -> Result<u64> {
    let process = target(call, 0)?;
    let which = call.uint(1) as usize;
    let new = match call.pointer::<Rlimit>(2).non_null() {
        Some(new) => Some(new.read()?),
        None => None,
    };
    let privileged = call.process().paths.lock().credentials.uid == 0;
    let old = {
        let mut limits = process.limits.lock();
        let limit = limits.get_mut(which).ok_or(Errno::EINVAL)?;
        let old = *limit;
        if let Some(new) = new {
            if new.rlim_cur > new.rlim_max {
                return Err(Errno::EINVAL);
            }
            if new.rlim_max > old.1 && !privileged {
                return Err(Errno::EPERM);
            }
            *limit = (new.rlim_cur, new.rlim_max);
        }
        old
    };
    if let Some(place) = call.pointer::<Rlimit>(3).non_null() {
        place.write(&Rlimit {
            rlim_cur: old.0,
            rlim_max: old.1,
        })?;
    }
    Ok(0)
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
    call.args = [0, call.args[0], call.args[1], 0, 0, 0];
    prlimit64(call)
}

/// getrusage(2).
pub fn getrusage(call: &mut Call<'_>) -> Result<u64> {
    let own = |user_ns| Usage {
        user_ns,
        ..Usage::default()
    };
    let usage = match call.int(0) {
        RUSAGE_SELF => own(call.process().run_time()),
        RUSAGE_THREAD => own(thread::current().run_time()),
        RUSAGE_CHILDREN => tree().lock().children_usage(call.process().pid)?,
        _ => return Err(Errno::EINVAL),
    };
    call.pointer::<Rusage>(1).write(&usage.to_rusage())?;
    Ok(0)
}
