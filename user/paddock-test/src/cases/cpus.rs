//! Several processors: which there are, and where a thread may run.

use super::Outcome;
use crate::report::Report;
use crate::sys::{Errno, call};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

fn allowed() -> Result<libc::cpu_set_t, Errno> {
    // SAFETY: a set of CPUs is plain bits.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    call!(libc::sched_getaffinity(
        0,
        size_of::<libc::cpu_set_t>(),
        &mut set
    ))?;
    Ok(set)
}

fn allow(set: &libc::cpu_set_t) -> Result<i32, Errno> {
    call!(libc::sched_setaffinity(
        0,
        size_of::<libc::cpu_set_t>(),
        set
    ))
}

/// A set with one CPU, or none.
fn only(cpu: Option<usize>) -> libc::cpu_set_t {
    // SAFETY: a set of CPUs is plain bits.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if let Some(cpu) = cpu {
        // SAFETY: writes into the set only.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    set
}

fn members(set: &libc::cpu_set_t) -> Vec<usize> {
    // SAFETY: reads the set only.
    let has = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, set) };
    (0..libc::CPU_SETSIZE as usize).filter(has).collect()
}

fn here() -> Result<usize, Errno> {
    call!(libc::sched_getcpu()).map(|cpu| cpu.unsigned_abs() as usize)
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let before = allowed()?;
    let cpus = members(&before);
    let online = call!(libc::sysconf(libc::_SC_NPROCESSORS_ONLN))?;
    report.check("sysconf knows them", online >= cpus.len() as i64);
    let listed = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let listed = listed
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    report.same("/proc/cpuinfo lists them", listed as i64, online);
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let rows = stat.lines().filter(|line| line.starts_with("cpu")).count();
    report.same("/proc/stat has a line for each", rows as i64, online + 1);
    let mut good = true;
    for &cpu in &cpus {
        allow(&only(Some(cpu)))?;
        good &= members(&allowed()?) == [cpu];
        for _ in 0..20 {
            good &= here()? == cpu;
            std::thread::yield_now();
        }
        // A thread and a child may run where their maker may.
        let inherited = std::thread::spawn(|| allowed().map(|set| members(&set)));
        good &= matches!(inherited.join(), Ok(Ok(set)) if set == [cpu]);
    }
    report.check("a thread runs where it may", good);
    report.refused("no CPU at all", allow(&only(None)), libc::EINVAL);
    allow(&before)?;
    report.check("everywhere again", members(&allowed()?) == cpus);
    report.check("a barrier on all", barriers_order()?);
    report.check("leaves them as they were", members(&allowed()?) == cpus);
    Ok(())
}

/// `MEMBARRIER_CMD_GLOBAL`.
const GLOBAL: i32 = 1;

fn barrier(command: i32) -> Result<i64, Errno> {
    call!(libc::syscall(libc::SYS_membarrier, command, 0))
}

/// Of two threads that each set a flag and look at the other's, one sees the
/// other's, although only one of them has a barrier in between: that one is
/// for all CPUs.
fn barriers_order() -> Result<bool, Errno> {
    let offered = barrier(0).unwrap_or(0);
    if offered & i64::from(GLOBAL) == 0 {
        return Ok(true);
    }
    let mut good = true;
    for _ in 0..20 {
        let (first, second) = (AtomicBool::new(false), AtomicBool::new(false));
        let start = Barrier::new(2);
        let (seen_first, seen_second) = std::thread::scope(|scope| {
            let quick = scope.spawn(|| {
                start.wait();
                first.store(true, Ordering::Relaxed);
                compiler_fence(Ordering::SeqCst);
                second.load(Ordering::Relaxed)
            });
            start.wait();
            second.store(true, Ordering::Relaxed);
            let done = barrier(GLOBAL);
            let seen = first.load(Ordering::Relaxed);
            (done.map(|_| seen), quick.join().unwrap_or(false))
        });
        good &= seen_first? || seen_second;
    }
    Ok(good)
}
