//! Nice values: getpriority(2), setpriority(2).

use super::Call;
use crate::process::object::RLIMIT_NICE;
use crate::process::{Process, Targets, UserThread, tree};
use crate::thread::Thread;
use alloc::sync::Arc;
use paddock_abi::process::{PRIO_PGRP, PRIO_PROCESS, PRIO_USER};
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Cred, IdKind};

/// The best nice value and the worst.
const BEST: i32 = -20;
const WORST: i32 = 19;

/// Calls `each` for every thread that a kind (`PRIO_PROCESS` or another) and a
/// number name. `EINVAL`, `ESRCH`, `ENOMEM`.
pub fn for_each(
    call: &Call<'_>,
    (which, who): (u32, u32),
    mut each: impl FnMut(&UserThread, &Thread),
) -> Result<()> {
    let mut found = false;
    let mut visit = |process: &Arc<Process>, tid: Option<u32>| {
        let threads = process.threads.lock();
        let named = threads
            .iter()
            .filter(|thread| tid.is_none_or(|tid| tid == thread.tid));
        for thread in named {
            if let Some(kernel) = thread.kernel_thread() {
                found = true;
                each(thread, &kernel);
            }
        }
    };
    let targets = match which {
        PRIO_PROCESS => {
            let tid = match who {
                0 => call.thread.tid,
                who => call.find_number(who).ok_or(Errno::ESRCH)?,
            };
            let process = tree().lock().process_of(tid).ok_or(Errno::ESRCH)?;
            visit(&process, Some(tid));
            None
        }
        PRIO_PGRP => {
            let group = match who {
                0 => tree().lock().group(call.process().pid)?,
                group => call.find_number(group).ok_or(Errno::ESRCH)?,
            };
            Some(Targets::of_group(group)?.0)
        }
        PRIO_USER => {
            let user = match who {
                0 => call.thread.with_cred(|cred| cred.uid.real),
                user => {
                    let namespace = call.thread.cred().user_namespace.clone();
                    let given = namespace.given(IdKind::User, user);
                    given.ok_or(Errno::ESRCH)?
                }
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
    let whose = (call.uint(0), call.uint(1));
    for_each(call, whose, |_, thread| best = best.min(thread.nice()))?;
    Ok((WORST + 1 - best) as u64)
}

/// setpriority(2). `EPERM` for others' processes; `EACCES` for a better value
/// than `RLIMIT_NICE` allows.
pub fn setpriority(call: &mut Call<'_>) -> Result<u64> {
    let nice = call.int(2);
    let own = call.thread.cred();
    let mut result = Ok(0);
    for_each(call, (call.uint(0), call.uint(1)), |user, thread| {
        if let Err(error) = set_nice(&own, &user.process, thread, nice) {
            result = Err(error);
        }
    })?;
    result
}

/// Whether one who is `own` may have a thread of `process` be so nice, whatever it is now.
pub fn may_have(own: &Cred, process: &Process, nice: i32) -> bool {
    let allowed = WORST - process.limit(RLIMIT_NICE).min(40) as i32 + 1;
    own.capable(Cap::CAP_SYS_NICE) || nice >= allowed
}

/// Makes a thread of `process` so nice, for whom `own` says. `EPERM` for others'
/// processes; `EACCES` for a better value than `RLIMIT_NICE` allows.
pub fn set_nice(own: &Cred, process: &Process, thread: &Thread, nice: i32) -> Result<()> {
    let nice = nice.clamp(BEST, WORST);
    let may = nice >= thread.nice() || may_have(own, process, nice);
    match (own.may_schedule(&process.cred()), may) {
        (false, _) => Err(Errno::EPERM),
        (true, false) => Err(Errno::EACCES),
        (true, true) => {
            thread.set_nice(nice);
            Ok(())
        }
    }
}
