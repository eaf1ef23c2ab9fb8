//! Time that was used: CPU clocks, getrusage(2), times(2), interval timers of
//! CPU time, `RLIMIT_CPU`, and what `/proc` tells of them.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
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
    clocks(report)?;
    sleeps(report)?;
    timers(report)?;
    limits(report)?;
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

fn alone(report: &mut Report) -> Outcome {
    let (before, ticks) = (own()?, times()?.tms_utime);
    report.check("a clock that is watched goes on", spin(200)?);
    report.check("the process's clock too", own()? - before >= 200 * MS);
    report.check("and times", times()?.tms_utime - ticks >= 15);
    let before = own()?;
    sys::sleep_ms(200);
    report.check("sleep uses none", own()? - before < 100 * MS);
    let (user, system) = used(libc::RUSAGE_SELF)?;
    let now = own()?;
    report.check(
        "user and system together are the clock",
        user + system <= now && now - (user + system) < 50 * MS,
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

fn user_and_system(report: &mut Report) -> Outcome {
    let (user, system) = used(libc::RUSAGE_THREAD)?;
    let mut sum = 0u64;
    let begin = Instant::now();
    while used(libc::RUSAGE_THREAD)?.0 < user + 200 * MS && begin.elapsed() < PATIENCE {
        for n in 0..400_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
    }
    let after = used(libc::RUSAGE_THREAD)?;
    let (in_user, in_system) = (after.0 - user, after.1 - system);
    report.check("work in user mode is user time", in_user > 4 * in_system);
    let zero = call!(libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY))?;
    let mut bytes = vec![1; 1 << 20];
    let (user, system) = used(libc::RUSAGE_THREAD)?;
    let begin = Instant::now();
    while used(libc::RUSAGE_THREAD)?.1 < system + 200 * MS && begin.elapsed() < PATIENCE {
        sys::read(zero, &mut bytes)?;
    }
    let after = used(libc::RUSAGE_THREAD)?;
    let (in_user, in_system) = (after.0 - user, after.1 - system);
    report.check("work of the kernel is system time", in_system > 4 * in_user);
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
    let ticks = times()?;
    let child = sys::fork(|| match own() {
        Ok(time) if time < 50 * MS => {
            let filled = std::hint::black_box(vec![1u8; 2 << 20]);
            i32::from(spin(200) != Ok(true) || filled.len() != 2 << 20)
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
    report.check("and of its memory", usage.ru_maxrss >= 2 << 10);
    let after = used(libc::RUSAGE_CHILDREN)?;
    let total = after.0 + after.1 - before.0 - before.1;
    report.check("so does RUSAGE_CHILDREN", total >= 200 * MS);
    report.check("and times", times()?.tms_cutime - ticks.tms_cutime >= 15);
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

/// The number of a process's clock (`of_thread`: of a thread's).
fn clock_of(id: i32, of_thread: bool) -> i32 {
    (!id << 3) | if of_thread { 6 } else { 2 }
}

fn tid() -> Result<i32, Errno> {
    Ok(call!(libc::syscall(libc::SYS_gettid))? as i32)
}

fn clocks(report: &mut Report) -> Outcome {
    let child = sys::fork(|| i32::from(spin(5_000) != Ok(true)))?;
    let number = clock_of(child, false);
    let begin = Instant::now();
    while clock(number)? < 50 * MS && begin.elapsed() < PATIENCE {
        sys::sleep_ms(5);
    }
    report.check("another process's clock", clock(number)? >= 50 * MS);
    report.refused(
        "another process's thread has none for us",
        clock(clock_of(child, true)),
        libc::EINVAL,
    );
    sys::kill(child, libc::SIGKILL)?;
    sys::wait(child)?;
    report.refused("nor has one that is gone", clock(number), libc::EINVAL);
    let own_thread = clock(clock_of(tid()?, true))?;
    report.check("the own thread by its number", own_thread > 0);
    report.check("the own process by its number", {
        clock(clock_of(std::process::id() as i32, false))? >= own_thread
    });
    report.check("time in user mode alone", clock((!0 << 3) | 1)? <= own()?);
    report.refused("a device's clock", clock((!0 << 3) | 3), libc::EINVAL);
    let new = libc::timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    for (id, errno) in [
        (libc::CLOCK_PROCESS_CPUTIME_ID, libc::EINVAL),
        (clock_of(0, false), libc::EPERM),
    ] {
        let set = call!(libc::syscall(libc::SYS_clock_settime, id, &raw const new));
        report.refused("nobody sets them", set, errno);
    }
    let mut finest = new;
    call!(libc::clock_getres(
        libc::CLOCK_PROCESS_CPUTIME_ID,
        &mut finest
    ))?;
    report.same("they are exact", (finest.tv_sec, finest.tv_nsec), (0, 1));
    Ok(())
}

/// clock_nanosleep, past the C library, which has ideas of its own.
fn sleep_on(id: i32, flags: i32, ns: u64) -> Result<i64, Errno> {
    let time = libc::timespec {
        tv_sec: (ns / (1_000 * MS)) as i64,
        tv_nsec: (ns % (1_000 * MS)) as i64,
    };
    let nowhere = std::ptr::null_mut::<libc::timespec>();
    call!(libc::syscall(
        libc::SYS_clock_nanosleep,
        id,
        flags,
        &raw const time,
        nowhere
    ))
}

static STOP: AtomicBool = AtomicBool::new(false);

fn sleeps(report: &mut Report) -> Outcome {
    report.refused(
        "a thread does not sleep by its own clock",
        sleep_on(libc::CLOCK_THREAD_CPUTIME_ID, 0, MS),
        libc::EOPNOTSUPP,
    );
    report.refused(
        "nor by its number",
        sleep_on(clock_of(tid()?, true), 0, MS),
        libc::EINVAL,
    );
    report.refused(
        "nor by a clock that is none",
        sleep_on(clock_of(0x07ff_fff0, false), 0, MS),
        libc::EINVAL,
    );
    let worker = std::thread::spawn(|| {
        while !STOP.load(Ordering::Relaxed) && spin(5) == Ok(true) {
            std::hint::spin_loop();
        }
    });
    let before = own()?;
    report.works(
        "it sleeps until others have worked",
        sleep_on(libc::CLOCK_PROCESS_CPUTIME_ID, 0, 100 * MS),
    );
    report.check("as long as asked for", own()? - before >= 100 * MS);
    let until = own()? + 50 * MS;
    report.works(
        "until a time",
        sleep_on(libc::CLOCK_PROCESS_CPUTIME_ID, libc::TIMER_ABSTIME, until),
    );
    report.check("which has come", own()? >= until);
    STOP.store(true, Ordering::Relaxed);
    let _ = worker.join();
    Ok(())
}

static CAME: AtomicI32 = AtomicI32::new(0);

extern "C" fn count(_: i32) {
    CAME.fetch_add(1, Ordering::Relaxed);
}

fn handle(signal: i32) -> Result<i32, Errno> {
    CAME.store(0, Ordering::Relaxed);
    // SAFETY: all zeroes is a value; the handler only counts.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(i32) as usize;
    action.sa_flags = libc::SA_RESTART;
    call!(libc::sigaction(signal, &action, std::ptr::null_mut()))
}

fn set_timer(which: i32, first_ms: i64, ms: i64) -> Result<(), Errno> {
    let time = |ms| libc::timeval {
        tv_sec: 0,
        tv_usec: ms * 1_000,
    };
    let new = libc::itimerval {
        it_value: time(first_ms),
        it_interval: time(ms),
    };

    call!(libc::setitimer(which as _, &new, std::ptr::null_mut())).map(drop)
}

fn timers(report: &mut Report) -> Outcome {
    for (name, which, signal) in [
        ("ITIMER_VIRTUAL", libc::ITIMER_VIRTUAL, libc::SIGVTALRM),
        ("ITIMER_PROF", libc::ITIMER_PROF, libc::SIGPROF),
    ] {
        handle(signal)?;
        set_timer(which, 30, 30)?;
        sys::sleep_ms(150);
        report.check(
            &format!("{name} does not count sleep"),
            CAME.load(Ordering::Relaxed) <= 1,
        );
        spin(400)?;
        let came = CAME.load(Ordering::Relaxed);
        report.check(
            &format!("{name} comes again and again"),
            (6..=20).contains(&came),
        );
        // SAFETY: all zeroes is a value of this structure of numbers.
        let mut left: libc::itimerval = unsafe { std::mem::zeroed() };
        call!(libc::getitimer(which as _, &mut left))?;
        report.check(
            &format!("{name} tells what is left"),
            nanos(left.it_interval) == 30 * MS && (1..=34 * MS).contains(&nanos(left.it_value)),
        );
        set_timer(which, 0, 0)?;
        CAME.store(0, Ordering::Relaxed);
        spin(60)?;
        report.same(&format!("{name} is off"), CAME.load(Ordering::Relaxed), 0);
        set_timer(which, 20, 0)?;
        spin(100)?;
        report.same(&format!("{name} once"), CAME.load(Ordering::Relaxed), 1);
    }
    report.same(
        "a child has no timers",
        sys::in_child(|| {
            // SAFETY: all zeroes is a value of this structure of numbers.
            let mut left: libc::itimerval = unsafe { std::mem::zeroed() };
            let got = call!(libc::getitimer(libc::ITIMER_PROF as _, &mut left));
            i32::from(got.is_err() || nanos(left.it_value) != 0)
        })?,
        End::Exited(0),
    );
    Ok(())
}

fn limit(soft: u64, hard: u64) -> Result<i32, Errno> {
    let limit = libc::rlimit {
        rlim_cur: soft as _,
        rlim_max: hard as _,
    };
    call!(libc::setrlimit(libc::RLIMIT_CPU, &limit))
}

fn limits(report: &mut Report) -> Outcome {
    report.same(
        "the soft RLIMIT_CPU sends SIGXCPU",
        sys::in_child(|| {
            let set = limit(1, libc::RLIM_INFINITY);
            i32::from(set.is_err() || spin(20_000) != Ok(true))
        })?,
        End::Killed(libc::SIGXCPU),
    );
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let ready = handle(libc::SIGXCPU).and_then(|_| limit(1, 2));
        if ready.is_err() || spin(1_300) != Ok(true) {
            return 1;
        }
        let came = CAME.load(Ordering::Relaxed) as u8;
        let _ = sys::write(writer, &[came]);
        i32::from(spin(20_000) != Ok(true))
    })?;
    report.same(
        "the hard one kills",
        sys::wait(child)?,
        End::Killed(libc::SIGKILL),
    );
    let mut came = [0];
    sys::close(writer)?;
    sys::read(reader, &mut came)?;
    sys::close(reader)?;
    report.same("SIGXCPU came before", came[0], 1);
    report.same(
        "a child inherits the limit",
        sys::in_child(|| {
            let set = limit(1, libc::RLIM_INFINITY);
            let child = sys::in_child(|| i32::from(spin(20_000) != Ok(true)));
            i32::from(set.is_err() || child != Ok(End::Killed(libc::SIGXCPU)))
        })?,
        End::Exited(0),
    );
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
    let ticks = field(stat, 14)? + field(stat, 15)?;
    spin(300)?;
    let grown = field(stat, 14)? + field(stat, 15)? - ticks;
    report.check("/proc/self/stat grows with it", (28..=40).contains(&grown));
    let after = machine()?;
    let busy = after[0] + after[1] - whole[0] - whole[1];
    report.check("so does /proc/stat", busy >= 28);
    let thread = format!("/proc/self/task/{}/stat", tid()?);
    let own = clock(libc::CLOCK_THREAD_CPUTIME_ID)? / (10 * MS);
    let told = field(&thread, 14)? + field(&thread, 15)?;
    report.check(
        "and that of the thread",
        told <= own + 1 && own - told.min(own) < 30,
    );
    report.check("field 10 counts faults", field(stat, 10)? > 0);
    let before = machine()?;
    sys::sleep_ms(300);
    report.check("idle time is counted", machine()?[2] > before[2]);
    Ok(())
}
