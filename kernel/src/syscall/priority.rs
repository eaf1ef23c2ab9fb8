//! Nice values: getpriority(2), setpriority(2).

use super::Call;
use crate::thread::Thread;
use crate::user::process::RLIMIT_NICE;
use crate::user::{Process, Targets, tree};
use alloc::sync::Arc;
use paddock_abi::process::{PRIO_PGRP, PRIO_PROCESS, PRIO_USER};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;

/// The best nice value and the worst.
const BEST: i32 = -20;
const WORST: i32 = 19;

/// Calls `each` for every thread that the two arguments name. `EINVAL`,
/// `ESRCH`, `ENOMEM`.
fn for_each(call: &Call<'_>, mut each: impl FnMut(&Arc<Process>, &Thread)) -> Result<()> {
    let (which, who) = (call.uint(0), call.uint(1));
    let mut found = false;
    let mut visit = |process: &Arc<Process>, tid: Option<u32>| {
        let threads = process.threads.lock();
        let named = threads
            .iter()
            .filter(|thread| tid.is_none_or(|tid| tid == thread.tid));
        for thread in named.filter_map(|thread| thread.kernel_thread()) {
            found = true;
            each(process, &thread);
        }
    };
    let targets = match which {
        PRIO_PROCESS => {
            let tid = if who == 0 { call.thread.tid } else { who };
            let process = tree().lock().process_of(tid).ok_or(Errno::ESRCH)?;
            visit(&process, Some(tid));
            None
        }
        PRIO_PGRP => {
            let group = match who {
                0 => tree().lock().group(call.process().pid)?,
                group => group,
            };
            Some(Targets::of_group(group)?.0)
        }
        PRIO_USER => {
            let user = match who {
                0 => call.thread.with_cred(|cred| cred.uid.real),
                user => user,
            };
            let (all, ()) = Targets::find(|tree, add| {
                tree.for_each(|_, process| {
                    if process.cred().uid.real == user {
                        add(process);
                    }
                });
            })?;
            Some(all)
        }
        _ => return Err(Errno::EINVAL),
    };
    for process in targets.iter().flat_map(|targets| targets.processes()) {
        visit(process, None);
    }
    match found {
        true => Ok(()),
        false => Err(Errno::ESRCH),
    }
}

/// getpriority(2): 20 less the best nice value of all that are named.
pub fn getpriority(call: &mut Call<'_>) -> Result<u64> {
    let mut best = WORST;
    for_each(call, |_, thread| best = best.min(thread.nice()))?;
    Ok((WORST + 1 - best) as u64)
}

/// setpriority(2). `EPERM` for others' processes; `EACCES` for a better value
/// than `RLIMIT_NICE` allows.
pub fn setpriority(call: &mut Call<'_>) -> Result<u64> {
    let nice = call.int(2).clamp(BEST, WORST);
    let own = call.thread.cred();
    let mut result = Ok(0);
    for_each(call, |process, thread| {
        let allowed = WORST as u64 + 1 - process.limit(RLIMIT_NICE).min(40);
        let may = own.capable(Cap::CAP_SYS_NICE)
            || nice >= thread.nice()
            || i64::from(nice) >= allowed as i64;
        if !own.may_schedule(&process.cred()) {
            result = Err(Errno::EPERM);
        } else if may {
            thread.set_nice(nice);
        } else {
            result = Err(Errno::EACCES);
        }
    })?;
    result
}
