//! Scheduling and resources: sched_yield(2), sched_getaffinity(2), getcpu(2),
//! getrusage(2).

use super::{Call, priority};
use crate::arch::user_access::{copy_from_user, copy_to_user};
use crate::cpus;
use crate::process::{Process, tree};
use crate::thread::{self, Thread};
use crate::user_memory::check_unknown;
use alloc::sync::Arc;
use paddock_abi::process::*;
use paddock_abi::time::Timespec;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_process::Usage;
use paddock_sched::CpuMask;

/// sched_yield(2).
pub fn sched_yield(_: &mut Call<'_>) -> Result<u64> {
    thread::yield_now();
    Ok(0)
}

fn target(call: &Call<'_>, index: usize) -> Result<Arc<Process>> {
    match call.int(index) {
        0 => Ok(call.process().clone()),
        pid if pid > 0 => {
            let pid = call.number(index)?;
            tree().lock().process_of(pid).ok_or(Errno::ESRCH)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The kernel's thread with a number; 0 is the caller's. `ESRCH`, `EINVAL`.
fn target_thread(call: &Call<'_>) -> Result<Arc<Thread>> {
    let process = target(call, 0)?;
    let tid = match call.uint(0) {
        0 => call.thread.tid,
        _ => call.number(0)?,
    };
    let threads = process.threads.lock();
    let thread = threads.iter().find(|thread| thread.tid == tid);
    let thread = thread.and_then(|thread| thread.kernel_thread());
    thread.ok_or(Errno::ESRCH)
}

/// The same for sets of CPUs, where a negative number is nobody's. `ESRCH`.
fn affinity_thread(call: &Call<'_>) -> Result<Arc<Thread>> {
    match call.int(0) {
        ..0 => Err(Errno::ESRCH),
        _ => target_thread(call),
    }
}

/// Bytes of a set of CPUs.
const CPU_SET: u32 = size_of::<u64>() as u32;

/// The CPUs that run.
fn online() -> u64 {
    (1 << cpus::online()) - 1
}

/// sched_getaffinity(2).
pub fn sched_getaffinity(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(1) < CPU_SET || !call.uint(1).is_multiple_of(CPU_SET) {
        return Err(Errno::EINVAL);
    }
    let thread = affinity_thread(call)?;
    let allowed = thread.affinity().0 & online();
    copy_to_user(call.word(2), &allowed.to_le_bytes())?;
    Ok(u64::from(CPU_SET))
}

/// sched_setaffinity(2). `EINVAL` for a set without a CPU that runs.
pub fn sched_setaffinity(call: &mut Call<'_>) -> Result<u64> {
    let thread = affinity_thread(call)?;
    let mut set = [0; CPU_SET as usize];
    let given = call.uint(1).min(CPU_SET) as usize;
    copy_from_user(&mut set[..given], call.word(2))?;
    let target = target(call, 0)?.cred();
    call.thread
        .with_cred(|own| match own.may_schedule(&target) {
            true => Ok(()),
            false => Err(Errno::EPERM),
        })?;
    let set = u64::from_le_bytes(set) & online();
    if set == 0 {
        return Err(Errno::EINVAL);
    }
    thread.set_affinity(CpuMask(set));
    if core::ptr::eq(&*thread, thread::current()) {
        // From here on it runs where it may.
        thread::yield_now();
    }
    Ok(0)
}

/// getcpu(2): where the caller runs, at the moment, and the one node.
pub fn getcpu(call: &mut Call<'_>) -> Result<u64> {
    let cpu = cpus::this_cpu() as u32;
    for (index, value) in [cpu, 0].into_iter().enumerate() {
        if let Some(place) = call.pointer::<u32>(index).non_null() {
            place.write(&value)?;
        }
    }
    Ok(0)
}

/// The policies that there are.
fn is_fair(policy: u32) -> bool {
    matches!(policy, SCHED_OTHER | SCHED_BATCH | SCHED_IDLE)
}

/// sched_getscheduler(2).
pub fn sched_getscheduler(call: &mut Call<'_>) -> Result<u64> {
    let thread = target_thread(call)?;
    let reset = match thread.resets_on_fork() {
        true => SCHED_RESET_ON_FORK,
        false => 0,
    };
    Ok(u64::from(thread.policy() | reset))
}

/// sched_getparam(2): all policies that there are have priority zero.
pub fn sched_getparam(call: &mut Call<'_>) -> Result<u64> {
    call.pointer::<i32>(1).non_null().ok_or(Errno::EINVAL)?;
    target(call, 0)?;
    call.pointer::<i32>(1).write(&0)?;
    Ok(0)
}

/// sched_setscheduler(2): to what has no priorities.
pub fn sched_setscheduler(call: &mut Call<'_>) -> Result<u64> {
    let place = call.pointer::<u32>(2).non_null().ok_or(Errno::EINVAL)?;
    if call.int(0) < 0 || call.int(1) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = place.read()?;
    let thread = target_thread(call)?;
    let resets = call.uint(1) & SCHED_RESET_ON_FORK != 0;
    let policy = call.uint(1) & !SCHED_RESET_ON_FORK;
    check_policy(call, &thread, policy, priority, resets)?;
    thread.set_policy(policy, resets);
    Ok(0)
}

/// sched_setparam(2): all policies that there are have priority zero.
pub fn sched_setparam(call: &mut Call<'_>) -> Result<u64> {
    let place = call.pointer::<u32>(1).non_null().ok_or(Errno::EINVAL)?;
    if call.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = place.read()?;
    let thread = target_thread(call)?;
    let (policy, resets) = (thread.policy(), thread.resets_on_fork());
    check_policy(call, &thread, policy, priority, resets)?;
    Ok(0)
}

/// Whether a thread may get another policy. `EINVAL` for none, or a priority that it does not have;
/// `EPERM` for those that take the CPU from others, others' threads, and to leave
/// `SCHED_IDLE` or what is set for children without the right to.
fn check_policy(
    call: &Call<'_>,
    thread: &Thread,
    policy: u32,
    priority: u32,
    resets: bool,
) -> Result<()> {
    if has_priorities(policy)? != (1..=99).contains(&priority) || policy == SCHED_DEADLINE {
        return Err(Errno::EINVAL);
    }
    if !is_fair(policy) {
        return Err(Errno::EPERM);
    }
    let (own, process) = (call.thread.cred(), target(call, 0)?);
    let leaves_idle = thread.policy() == SCHED_IDLE && policy != SCHED_IDLE;
    let gains = leaves_idle && !priority::may_have(&own, &process, thread.nice());
    let undoes = thread.resets_on_fork() && !resets && !own.capable(Cap::CAP_SYS_NICE);
    if gains || undoes || !own.may_schedule(&process.cred()) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// sched_rr_get_interval(2): how long a thread runs while its peers wait.
pub fn sched_rr_get_interval(call: &mut Call<'_>) -> Result<u64> {
    let thread = target_thread(call)?;
    call.pointer::<Timespec>(1)
        .write(&Timespec::from_nanos(thread.slice()))?;
    Ok(0)
}

/// Bytes of `struct sched_attr` as it was at first, and as it is.
const SCHED_ATTR: [u32; 2] = [48, 56];

/// sched_getattr(2): the policy, and how nice it is.
pub fn sched_getattr(call: &mut Call<'_>) -> Result<u64> {
    let (place, size) = (call.word(1), call.uint(2));
    if place == 0 || call.uint(3) != 0 || size < SCHED_ATTR[0] || size > 4096 {
        return Err(Errno::EINVAL);
    }
    let thread = target_thread(call)?;
    let size = size.min(SCHED_ATTR[1]);
    let mut bytes = [0; SCHED_ATTR[1] as usize];
    bytes[..4].copy_from_slice(&size.to_le_bytes());
    bytes[4..8].copy_from_slice(&thread.policy().to_le_bytes());
    let reset = match thread.resets_on_fork() {
        true => SCHED_FLAG_RESET_ON_FORK,
        false => 0,
    };
    bytes[8..16].copy_from_slice(&reset.to_le_bytes());
    bytes[16..20].copy_from_slice(&thread.nice().to_le_bytes());
    copy_to_user(place, &bytes[..size as usize])?;
    Ok(0)
}

/// Whether a structure is not shorter than the first, and what is longer than the last has
/// nothing in it. `E2BIG`, after the caller has been told how long it may be; `EFAULT`.
fn check_attributes(place: u64, size: u32) -> Result<()> {
    let [first, last] = SCHED_ATTR;
    let fits = match size {
        0 => Ok(()),
        size if size < first || size > 4096 => Err(Errno::E2BIG),
        size => check_unknown(place, last.into(), size.into()),
    };
    if fits == Err(Errno::E2BIG) {
        copy_to_user(place, &last.to_le_bytes())?;
    }
    fits
}

/// sched_setattr(2): a policy without priorities, and a nice value.
pub fn sched_setattr(call: &mut Call<'_>) -> Result<u64> {
    const KNOWN: u64 = SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS;
    let place = call.word(1);
    if place == 0 || call.uint(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; SCHED_ATTR[0] as usize];
    copy_from_user(&mut bytes[..4], place)?;
    let word = |bytes: &[u8], at: usize| {
        let word = bytes[at..at + 4].first_chunk().copied();
        u32::from_le_bytes(word.unwrap_or_default())
    };
    check_attributes(place, word(&bytes, 0))?;
    copy_from_user(&mut bytes, place)?;
    let flags = u64::from(word(&bytes, 8)) | u64::from(word(&bytes, 12)) << 32;
    if flags & !KNOWN != 0 || (word(&bytes, 4) as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let thread = target_thread(call)?;
    let policy = match flags & SCHED_FLAG_KEEP_POLICY {
        0 => word(&bytes, 4),
        _ => thread.policy(),
    };
    let resets = flags & SCHED_FLAG_RESET_ON_FORK != 0;
    check_policy(call, &thread, policy, word(&bytes, 20), resets)?;
    if flags & SCHED_FLAG_KEEP_PARAMS == 0 {
        let (own, process) = (call.thread.cred(), target(call, 0)?);
        let set = priority::set_nice(&own, &process, &thread, word(&bytes, 16) as i32);
        set.map_err(|_| Errno::EPERM)?;
    }
    thread.set_policy(policy, resets);
    Ok(0)
}

/// sched_get_priority_max(2). `EINVAL` for no policy of Linux's.
pub fn sched_get_priority_max(call: &mut Call<'_>) -> Result<u64> {
    Ok(if has_priorities(call.uint(0))? { 99 } else { 0 })
}

/// sched_get_priority_min(2), likewise.
pub fn sched_get_priority_min(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(has_priorities(call.uint(0))?))
}

/// Whether a policy has more than one priority, as sched(7) tells them.
fn has_priorities(policy: u32) -> Result<bool> {
    match policy {
        SCHED_FIFO | SCHED_RR => Ok(true),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

/// getrusage(2).
pub fn getrusage(call: &mut Call<'_>) -> Result<u64> {
    let own = |usage: Usage| Usage {
        max_rss_kib: call.process().max_rss_kib(),
        ..usage
    };
    let usage = match call.int(0) {
        RUSAGE_SELF => own(call.process().usage()),
        RUSAGE_THREAD => own(call.thread.usage()),
        RUSAGE_CHILDREN => tree().lock().children_usage(call.process().pid)?,
        _ => return Err(Errno::EINVAL),
    };
    call.pointer::<Rusage>(1).write(&usage.to_rusage())?;
    Ok(0)
}
