//! Time that was used: CPU clocks, getrusage(2), times(2), interval timers of
//! CPU time, `RLIMIT_CPU`, and what `/proc` tells of them.

mod clocks;
mod timers;

use std::time::{Duration, Instant};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, Map, call};

const MS: u64 = 1_000_000;
/// For how long (real time) anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    alone(report)?;
    user_and_system(report)?;
    threads(report)?;
    children(report)?;
    clocks::clocks(report)?;
    clocks::sleeps(report)?;
    timers::timers(report)?;
    timers::limits(report)?;
    counters(report)?;
    proc_files(report)
}

/// A CPU clock's reading, in nanoseconds.
fn clock(id: i32) -> Result<u64, Errno> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    call!(libc::clock_gettime(id, &mut time))?;
    Ok(time.tv_sec as u64 * 1_000 * MS + time.tv_nsec as u64)
}

fn own() -> Result<u64, Errno> {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Works in user mode until the calling thread has used `ms` more. False if
/// its clock stands still.
fn spin(ms: u64) -> Result<bool, Errno> {
    let end = clock(libc::CLOCK_THREAD_CPUTIME_ID)? + ms * MS;
    let begin = Instant::now();
    let mut sum = 0u64;
    while clock(libc::CLOCK_THREAD_CPUTIME_ID)? < end {
        for n in 0..20_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
        if begin.elapsed() > PATIENCE {
            return Ok(false);
        }
    }
    Ok(true)
}

fn nanos(time: libc::timeval) -> u64 {
    time.tv_sec as u64 * 1_000 * MS + time.tv_usec as u64 * 1_000
}

fn rusage(who: i32) -> Result<libc::rusage, Errno> {
    // SAFETY: all zeroes is a value of this structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    call!(libc::getrusage(who, &mut usage))?;
    Ok(usage)
}

/// User and system time.
fn used(who: i32) -> Result<(u64, u64), Errno> {
    let usage = rusage(who)?;
    Ok((nanos(usage.ru_utime), nanos(usage.ru_stime)))
}

fn times() -> Result<libc::tms, Errno> {
    let mut times = libc::tms {
        tms_utime: 0,
        tms_stime: 0,
        tms_cutime: 0,
        tms_cstime: 0,
    };
    call!(libc::times(&mut times))?;
    Ok(times)
}

/// Bytes that a child uses: Linux's count of pages may be some short.
const FILLED: usize = 4 << 20;

/// What this process has used, in ticks of both kinds: how they are parted differs.
fn ticks() -> Result<i64, Errno> {
    times().map(|it| it.tms_utime + it.tms_stime)
}

fn alone(report: &mut Report) -> Outcome {
    let (before, ticks_before) = (own()?, ticks()?);
    report.check("a clock that is watched goes on", spin(200)?);
    report.check("the process's clock too", own()? - before >= 200 * MS);
    report.check("and times", ticks()? - ticks_before >= 15);
    let before = own()?;
    sys::sleep_ms(200);
    report.check("sleep uses none", own()? - before < 100 * MS);
    // A host may stop the machine between the two looks, though not each time.
    let mut apart = Vec::new();
    for _ in 0..20 {
        let (user, system) = used(libc::RUSAGE_SELF)?;
        apart.push(own()?.checked_sub(user + system));
    }
    report.check(
        "user and system together are the clock",
        apart.iter().all(Option::is_some)
            && apart
                .iter()
                .flatten()
                .min()
                .is_some_and(|least| *least < 50 * MS),
    );
    let mut last = 0;
    let forward = (0..2000).all(|_| {
        let now = own().unwrap_or(0);
        let goes = now >= last;
        last = now;
        goes
    });
    report.check("it never goes back", forward);
    Ok(())
}

/// Works until the calling thread has used 200 ms more in user mode (0) or in the
/// kernel (1); whether that was most of what it used. A host may stop the machine
/// while it is where it seldom is, though not each time.
fn mostly(mode: usize, mut work: impl FnMut() -> Result<(), Errno>) -> Result<bool, Errno> {
    let used = || used(libc::RUSAGE_THREAD).map(|(user, system)| [user, system]);
    for _ in 0..5 {
        let (before, begin) = (used()?, Instant::now());
        while used()?[mode] < before[mode] + 200 * MS && begin.elapsed() < PATIENCE {
            work()?;
        }
        let after = used()?;
        let spent = |mode: usize| after[mode] - before[mode];
        if spent(mode) > 4 * spent(1 - mode) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn user_and_system(report: &mut Report) -> Outcome {
    let mut sum = 0u64;
    let in_user = mostly(0, || {
        for n in 0..400_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
        Ok(())
    })?;
    report.check("work in user mode is user time", in_user);
    let zero = call!(libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY))?;
    let mut bytes = vec![1; 1 << 20];
    let in_system = mostly(1, || sys::read(zero, &mut bytes).map(drop))?;
    report.check("work of the kernel is system time", in_system);
    sys::close(zero)?;
    Ok(())
}

fn threads(report: &mut Report) -> Outcome {
    let before = own()?;
    let spun = std::thread::spawn(|| spin(200)).join();
    report.check("a thread works", matches!(spun, Ok(Ok(true))));
    report.check(
        "what a thread that has ended used stays",
        own()? - before >= 200 * MS,
    );
    let thread = clock(libc::CLOCK_THREAD_CPUTIME_ID)?;
    report.check("the clock of a thread is its own", thread < own()?);
    let (user, system) = used(libc::RUSAGE_THREAD)?;
    report.check("RUSAGE_THREAD too", user + system <= own()? - 200 * MS);
    Ok(())
}

fn children(report: &mut Report) -> Outcome {
    let before = used(libc::RUSAGE_CHILDREN)?;
    let of_children = |it: libc::tms| it.tms_cutime + it.tms_cstime;
    let ticks = of_children(times()?);
    let child = sys::fork(|| match own() {
        Ok(time) if time < 50 * MS => {
            let filled = std::hint::black_box(vec![1u8; FILLED]);
            i32::from(spin(200) != Ok(true) || filled.len() != FILLED)
        }
        _ => 2,
    })?;
    // SAFETY: a process that has ended, and is not waited for.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOWAIT;
    call!(libc::waitid(
        libc::P_PID,
        child.unsigned_abs(),
        &mut info,
        options
    ))?;
    report.same(
        "children count once they are waited for",
        used(libc::RUSAGE_CHILDREN)?,
        before,
    );
    // SAFETY: all zeroes is a value of this structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    call!(libc::wait4(child, &mut status, 0, &mut usage))?;
    report.same("a child begins at nothing", End::of(status), End::Exited(0));
    let of_child = nanos(usage.ru_utime) + nanos(usage.ru_stime);
    report.check("wait4 tells what it used", of_child >= 200 * MS);
    report.check("and of its memory", usage.ru_maxrss >= 3 << 10);
    let after = used(libc::RUSAGE_CHILDREN)?;
    let total = after.0 + after.1 - before.0 - before.1;
    report.check("so does RUSAGE_CHILDREN", total >= 200 * MS);
    report.check("and times", of_children(times()?) - ticks >= 15);
    told_by_signal(report)?;
    let mut nested = 0;
    let outer = sys::fork(|| {
        i32::from(sys::in_child(|| i32::from(spin(100) != Ok(true))) != Ok(End::Exited(0)))
    })?;
    call!(libc::wait4(outer, &mut nested, 0, &mut usage))?;
    report.check(
        "a child's own children count too",
        nanos(usage.ru_utime) + nanos(usage.ru_stime) >= 100 * MS,
    );
    Ok(())
}

/// SIGCHLD tells user and time of the child.
fn told_by_signal(report: &mut Report) -> Outcome {
    // SAFETY: all zeroes is a value of either; they live for the calls.
    let (mut set, mut info): (libc::sigset_t, libc::siginfo_t) = unsafe { std::mem::zeroed() };
    call!(libc::sigaddset(&mut set, libc::SIGCHLD))?;
    call!(libc::sigprocmask(
        libc::SIG_BLOCK,
        &set,
        std::ptr::null_mut()
    ))?;
    let child = sys::fork(|| i32::from(spin(150) != Ok(true)))?;
    call!(libc::sigwaitinfo(&set, &mut info))?;
    // SAFETY: the fields of a SIGCHLD; getuid has no conditions.
    let (told, uid) = unsafe {
        let times = info.si_utime() + info.si_stime();
        ((info.si_pid(), info.si_uid(), times >= 14), libc::getuid())
    };
    report.same("SIGCHLD tells user and time", told, (child, uid, true));
    call!(libc::sigprocmask(
        libc::SIG_UNBLOCK,
        &set,
        std::ptr::null_mut()
    ))?;
    sys::wait(child)?;
    Ok(())
}

fn counters(report: &mut Report) -> Outcome {
    let before = rusage(libc::RUSAGE_SELF)?;
    const PAGES: usize = 4096;
    let memory = Map::memory(PAGES * 4096)?;
    for page in 0..PAGES {
        memory.write(page * 4096, 1);
    }
    let after = rusage(libc::RUSAGE_SELF)?;
    let faults = after.ru_minflt - before.ru_minflt;
    report.check("faults are counted", faults > 0);
    report.check(
        "the most memory is told, in KiB",
        after.ru_maxrss >= 16_000 && after.ru_maxrss < 1 << 20,
    );
    drop(memory);
    let later = rusage(libc::RUSAGE_SELF)?;
    report.check("it stays the most", later.ru_maxrss >= after.ru_maxrss);
    for _ in 0..20 {
        sys::sleep_ms(1);
    }
    let slept = rusage(libc::RUSAGE_THREAD)?;
    let whole = rusage(libc::RUSAGE_SELF)?;
    report.check(
        "waits are voluntary switches",
        whole.ru_nvcsw - later.ru_nvcsw >= 20 && slept.ru_nvcsw <= whole.ru_nvcsw,
    );
    report.refused("an unknown RUSAGE", rusage(7).map(drop), libc::EINVAL);
    Ok(())
}

/// Field `number` (from 1) of a `stat` file of a process or thread.
fn field(path: &str, number: usize) -> Result<u64, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let (_, rest) = text.rsplit_once(')').ok_or("no name")?;
    let word = rest
        .split_whitespace()
        .nth(number - 3)
        .ok_or("no such field")?;
    word.parse().map_err(|_| format!("{path}: {word}"))
}

/// User, system and idle ticks of all CPUs.
fn machine() -> Result<[u64; 3], String> {
    let text = std::fs::read_to_string("/proc/stat").map_err(|error| error.to_string())?;
    let line = text.lines().next().unwrap_or("");
    let words: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    match words[..] {
        [user, nice, system, idle, ..] => Ok([user + nice, system, idle]),
        _ => Err(format!("/proc/stat: {line}")),
    }
}

fn proc_files(report: &mut Report) -> Outcome {
    let stat = "/proc/self/stat";
    let whole = machine()?;
    let ticks = || Ok::<u64, String>(field(stat, 14)? + field(stat, 15)?);
    // What it uses by the clock, between the two looks and around them.
    let (outer, before, inner) = (own()?, ticks()?, own()?);
    spin(300)?;
    let (inner, after, outer) = (own()? - inner, ticks()?, own()? - outer);
    let least = (inner / (10 * MS)).saturating_sub(2);
    let most = outer / (10 * MS) + 2;
    let grown = after - before;
    report.check(
        "/proc/self/stat grows with it",
        (least..=most).contains(&grown),
    );
    let after = machine()?;
    let busy = after[0] + after[1] - whole[0] - whole[1];
    report.check("so does /proc/stat", busy >= 28);
    let thread = format!("/proc/self/task/{}/stat", sys::tid());
    let own = clock(libc::CLOCK_THREAD_CPUTIME_ID)? / (10 * MS);
    let told = field(&thread, 14)? + field(&thread, 15)?;
    report.check(
        "and that of the thread",
        told <= own + 1 && own - told.min(own) < 30,
    );
    report.check("field 10 counts faults", field(stat, 10)? > 0);
    let before = machine()?;
    sys::sleep_ms(300);
    let after = machine()?;
    let all = |ticks: [u64; 3]| ticks.iter().sum::<u64>();
    // Others may have all of the machine meanwhile: then it is not idle.
    report.check(
        "the time of all CPUs goes on, idle or not",
        all(after) >= all(before) + 20 && after[2] > 0,
    );
    Ok(())
}
