//! Interval timers of CPU time, and `RLIMIT_CPU`.

use super::*;
use std::sync::atomic::{AtomicI32, Ordering};

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

/// Works until the timer has come six times, each time after 30 ms; how often it has, and
/// how often it may have for what this process has used. A host that stops the machine
/// for a while makes several of one.
fn several() -> Result<(i32, i32), Errno> {
    let (begun, begin) = (own()?, Instant::now());
    while CAME.load(Ordering::Relaxed) < 6 && begin.elapsed() < PATIENCE {
        spin(30)?;
    }
    let came = CAME.load(Ordering::Relaxed);
    let used = own()? - begun;
    // One may have come before, and one is due.
    Ok((came, 2 + (used / (30 * MS)) as i32))
}

pub fn timers(report: &mut Report) -> Outcome {
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
        let (came, most) = several()?;
        report.check(
            &format!("{name} comes again and again"),
            (6..=most).contains(&came),
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
        let begin = Instant::now();
        while CAME.load(Ordering::Relaxed) == 0 && begin.elapsed() < PATIENCE {
            spin(30)?;
        }
        spin(60)?;
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

pub fn limits(report: &mut Report) -> Outcome {
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
