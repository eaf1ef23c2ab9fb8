//! adjtimex(2): how the wall clock is told of and steered. What it finds it leaves
//! behind.

use super::Outcome;
use super::errors::{raw, refused};
use crate::report::Report;
use crate::sys::{self, End, Errno};
use std::mem::zeroed;
use std::time::{Duration, Instant};

const BAD: usize = 8;
/// Nobody.
const USER: u32 = 65_534;
/// A part per million, as frequencies are told.
const PPM: i64 = 1 << 16;
const OFFSET_SINGLESHOT: u32 = 0x8001;
const OFFSET_READ: u32 = 0xa001;

fn request(modes: u32) -> libc::timex {
    // SAFETY: numbers alone.
    let mut request: libc::timex = unsafe { zeroed() };
    request.modes = modes;
    request
}

/// Makes the call; the state of the clock.
fn adjust(request: &mut libc::timex) -> Result<i64, Errno> {
    raw!(SYS_adjtimex, &raw mut *request)
}

fn now(clock: i32) -> Result<i64, Errno> {
    // SAFETY: numbers alone.
    let mut time: libc::timespec = unsafe { zeroed() };
    sys::call!(libc::clock_gettime(clock, &raw mut time))?;
    Ok(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

/// The wall's time past the library's shortcut.
fn told() -> Result<i64, Errno> {
    // SAFETY: numbers alone.
    let mut time: libc::timespec = unsafe { zeroed() };
    raw!(SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut time)?;
    Ok(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

/// How far the wall is ahead of the counter that nobody steers, in nanoseconds: of
/// several looks the one that took least.
fn ahead() -> Result<i64, Errno> {
    let mut best = (i64::MAX, 0);
    for _ in 0..50 {
        let before = now(libc::CLOCK_MONOTONIC_RAW)?;
        let wall = now(libc::CLOCK_REALTIME)?;
        let after = now(libc::CLOCK_MONOTONIC_RAW)?;
        best = best.min((after - before, wall - (before + after) / 2));
    }
    Ok(best.1)
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let mut found = request(0);
    let state = adjust(&mut found)?;
    report.check("a state", (0..=5).contains(&state));
    report.check("a tick", (9_000..=11_000).contains(&found.tick));
    report.same("the largest frequency", found.tolerance, 500 * PPM);
    report.same("precise to a microsecond", found.precision, 1);
    let second = told()? / 1_000_000_000;
    report.check("the time", (0..=1).contains(&(second - found.time.tv_sec)));
    let mut same = request(0);
    let clock = raw!(SYS_clock_adjtime, libc::CLOCK_REALTIME, &raw mut same);
    report.same("the wall's clock", clock, Ok(state));
    refusals(report)?;
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        println!("only root steers");
        return Ok(());
    }
    wrong_amounts(report);
    let steered = steer(report, &found);
    let mut back = request(libc::ADJ_FREQUENCY | libc::ADJ_STATUS | libc::ADJ_TIMECONST);
    (back.freq, back.status, back.constant) = (found.freq, found.status, found.constant);
    adjust(&mut back)?;
    report.same("its frequency again", back.freq, found.freq);
    steered
}

fn refusals(report: &mut Report) -> Outcome {
    let asks = request(0);
    let place = &raw const asks;
    refused!(report;
        "nowhere": SYS_adjtimex(BAD) => EFAULT;
        "nowhere": SYS_clock_adjtime(0, BAD) => EFAULT;
        "an unknown clock": SYS_clock_adjtime(99, place) => EINVAL;
        "one that nobody steers": SYS_clock_adjtime(libc::CLOCK_MONOTONIC, place) => EOPNOTSUPP;
        "the time of a process": SYS_clock_adjtime(libc::CLOCK_PROCESS_CPUTIME_ID, place) => EOPNOTSUPP;
    );
    let as_user = sys::in_child(|| {
        let is_user = raw!(SYS_setuid, USER).is_ok() || {
            // SAFETY: has no conditions.
            unsafe { libc::geteuid() != 0 }
        };
        let refused = [libc::ADJ_FREQUENCY, libc::ADJ_SETOFFSET, OFFSET_SINGLESHOT]
            .into_iter()
            .all(|modes| adjust(&mut request(modes)) == Err(Errno(libc::EPERM)));
        let reads = [0, OFFSET_READ]
            .into_iter()
            .all(|modes| adjust(&mut request(modes)).is_ok());
        i32::from(!(is_user && refused && reads))
    });
    report.same("a user only reads", as_user, Ok(End::Exited(0)));
    Ok(())
}

fn wrong_amounts(report: &mut Report) {
    let mut wrong = |what: &str, modes: u32, change: fn(&mut libc::timex)| {
        let mut request = request(modes);
        change(&mut request);
        report.refused(what, adjust(&mut request), libc::EINVAL);
    };
    wrong("a short tick", libc::ADJ_TICK, |it| it.tick = 8_999);
    wrong("a long tick", libc::ADJ_TICK, |it| it.tick = 11_001);
    wrong("adjtime of what", 0x8000, |_| {});
    let set = libc::ADJ_SETOFFSET;
    wrong("a negative fraction", set, |it| it.time.tv_usec = -1);
    wrong("a second of microseconds", set, |it| {
        it.time.tv_usec = 1_000_000
    });
    wrong("a second of nanoseconds", set | libc::ADJ_NANO, |it| {
        it.time.tv_usec = 1_000_000_000;
    });
    wrong("beyond all numbers", libc::ADJ_FREQUENCY, |it| {
        it.freq = i64::MAX / 100
    });
}

/// How much the wall has gained in a while, in parts per million.
fn gain() -> Result<i64, Errno> {
    let (before, begun) = (ahead()?, Instant::now());
    while begun.elapsed() < Duration::from_millis(300) {
        // However it is read, it never goes back.
        let read = [told()?, now(libc::CLOCK_REALTIME)?, told()?];
        if !read.is_sorted() {
            return Err(Errno(libc::ERANGE));
        }
    }
    let passed = begun.elapsed().as_micros() as i64;
    Ok((ahead()? - before) * 1000 / passed)
}

fn steer(report: &mut Report, found: &libc::timex) -> Outcome {
    let fast = found.freq / PPM + 300;
    for ppm in [fast, fast - 600] {
        let mut request = request(libc::ADJ_FREQUENCY);
        request.freq = ppm * PPM;
        if adjust(&mut request) == Err(Errno(libc::EPERM)) {
            println!("this root may not steer");
            return Ok(());
        }
        report.same("reads back", request.freq, ppm * PPM);
        let gained = gain()?;
        let near = (gained - ppm).abs() <= 100;
        report.same("it gains as much", if near { ppm } else { gained }, ppm);
    }
    let mut much = request(libc::ADJ_FREQUENCY);
    much.freq = 1000 * PPM;
    adjust(&mut much)?;
    report.same("at most", much.freq, 500 * PPM);
    let mut status = request(libc::ADJ_STATUS | libc::ADJ_TIMECONST | libc::ADJ_NANO);
    (status.status, status.constant) = (libc::STA_PLL | libc::STA_UNSYNC, 3);
    report.same("not synchronised", adjust(&mut status), Ok(5));
    report.same("the constant", status.constant, 3);
    let kept = status.status & (libc::STA_PLL | libc::STA_UNSYNC | libc::STA_NANO);
    let wanted = libc::STA_PLL | libc::STA_UNSYNC | libc::STA_NANO;
    report.same("the status", kept, wanted);
    Ok(())
}
