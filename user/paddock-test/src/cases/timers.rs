//! timer_create(2), beside setitimer(2) and timerfd_create(2).

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call};

const SIGEV_SIGNAL: i32 = 0;
const SIGEV_NONE: i32 = 1;
const SIGEV_THREAD_ID: i32 = 4;
const ABSOLUTE: i32 = 1;
const SI_TIMER: i32 = -2;
/// Milliseconds in nanoseconds.
const MS: i64 = 1_000_000;

/// `struct sigevent` as the kernel has it.
#[repr(C)]
struct Event {
    value: u64,
    signal: i32,
    notify: i32,
    tid: i32,
    pad: [i32; 11],
}

impl Event {
    fn new(notify: i32, signal: i32, value: u64, tid: i32) -> Event {
        let pad = [0; 11];
        Event {
            value,
            signal,
            notify,
            tid,
            pad,
        }
    }
}

/// A timer's number, as the kernel gives it.
#[derive(Clone, Copy)]
struct Timer(i32);

impl Timer {
    fn create(clock: i32, event: Option<&Event>) -> Result<Timer, Errno> {
        let mut id = -1;
        let event = event.map_or(std::ptr::null(), std::ptr::from_ref);
        call!(libc::syscall(libc::SYS_timer_create, clock, event, &mut id))?;
        Ok(Timer(id))
    }

    /// In nanoseconds; those that were left, and the old interval.
    fn set(self, flags: i32, value: i64, interval: i64) -> Result<(i64, i64), Errno> {
        let new = spec(value, interval);
        let mut old = spec(0, 0);
        call!(libc::syscall(
            libc::SYS_timer_settime,
            self.0,
            flags,
            &new,
            &mut old
        ))?;
        Ok((nanos(old.it_value), nanos(old.it_interval)))
    }

    fn get(self) -> Result<(i64, i64), Errno> {
        let mut now = spec(0, 0);
        call!(libc::syscall(libc::SYS_timer_gettime, self.0, &mut now))?;
        Ok((nanos(now.it_value), nanos(now.it_interval)))
    }

    fn overrun(self) -> Result<i64, Errno> {
        call!(libc::syscall(libc::SYS_timer_getoverrun, self.0))
    }

    fn delete(self) -> Result<i64, Errno> {
        call!(libc::syscall(libc::SYS_timer_delete, self.0))
    }
}

fn spec(value: i64, interval: i64) -> libc::itimerspec {
    let time = |nanos: i64| libc::timespec {
        tv_sec: nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    };
    libc::itimerspec {
        it_value: time(value),
        it_interval: time(interval),
    }
}

fn nanos(time: libc::timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let signal = libc::SIGRTMIN() + 4;
    sys::block_signals(&[signal, libc::SIGALRM])?;
    errors(report, signal)?;
    signals(report, signal)?;
    overruns(report, signal)?;
    quiet(report)?;
    threads(report, signal)?;
    processes(report, signal)?;
    many(report)
}

/// What a signal says: its code, the timer, its overruns, and the value.
type Told = (i32, i32, i32, u64);

fn wait(signal: i32, ms: i64) -> Result<Option<Told>, Errno> {
    let limit = spec(ms * MS, 0).it_value;
    let mut info = [0u64; 16];
    let set = sys::signal_set(&[signal]);
    match call!(libc::sigtimedwait(&set, info.as_mut_ptr().cast(), &limit)) {
        Ok(_) => {
            let (timer, overrun) = (info[2] as i32, (info[2] >> 32) as i32);
            Ok(Some((info[1] as i32, timer, overrun, info[3])))
        }
        Err(Errno(libc::EAGAIN)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn errors(report: &mut Report, signal: i32) -> Outcome {
    let clock = libc::CLOCK_MONOTONIC;
    let create = |clock, notify, signal, tid| {
        let event = Event::new(notify, signal, 0, tid);
        Timer::create(clock, Some(&event)).map(|timer| timer.0)
    };
    let own = SIGEV_SIGNAL;
    report.refused("no clock", create(77, own, signal, 0), libc::EINVAL);
    report.refused("no signal", create(clock, own, 0, 0), libc::EINVAL);
    report.refused("no such signal", create(clock, own, 65, 0), libc::EINVAL);
    report.refused("no such way", create(clock, 9, signal, 0), libc::EINVAL);
    let other = create(clock, SIGEV_THREAD_ID, signal, 1);
    report.refused("another's thread", other, libc::EINVAL);
    let none = Timer(12_345);
    report.refused("no timer to set", none.set(0, MS, 0), libc::EINVAL);
    report.refused("to get", none.get(), libc::EINVAL);
    report.refused("to count", none.overrun(), libc::EINVAL);
    report.refused("to delete", none.delete(), libc::EINVAL);
    let timer = Timer::create(clock, None)?;
    let bad = timer.set(0, -1, 0);
    report.refused("no time", bad, libc::EINVAL);
    report.works("deleted", timer.delete());
    report.refused("once", timer.delete(), libc::EINVAL);
    Ok(())
}

fn signals(report: &mut Report, signal: i32) -> Outcome {
    for clock in [
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_REALTIME,
        libc::CLOCK_BOOTTIME,
    ] {
        let event = Event::new(SIGEV_SIGNAL, signal, 0xfeed_beef, 0);
        let timer = Timer::create(clock, Some(&event))?;
        report.same("off at first", timer.get(), Ok((0, 0)));
        report.same("set", timer.set(0, 20 * MS, 0), Ok((0, 0)));
        let (left, _) = timer.get()?;
        report.check("it runs", left > 0 && left <= 20 * MS);
        let told = wait(signal, 10_000)?;
        let expected = Some((SI_TIMER, timer.0, 0, 0xfeed_beef));
        report.same("it has expired", told, expected);
        report.same("once", wait(signal, 50), Ok(None));
        report.same("and is off", timer.get(), Ok((0, 0)));
        // SAFETY: an empty time to be filled in.
        let mut now: libc::timespec = unsafe { std::mem::zeroed() };
        call!(libc::clock_gettime(clock, &mut now))?;
        timer.set(ABSOLUTE, nanos(now) + 20 * MS, 0)?;
        report.check("at a time", wait(signal, 10_000)?.is_some());
        timer.set(ABSOLUTE, nanos(now) - 20 * MS, 0)?;
        report.check("that is over", wait(signal, 10_000)?.is_some());
        timer.set(0, 5_000 * MS, 7 * MS)?;
        let (left, interval) = timer.set(0, 0, 0)?;
        report.check("what was left", left > 0 && left <= 5_000 * MS);
        report.same("and the interval", interval, 7 * MS);
        timer.delete()?;
    }
    let timer = Timer::create(libc::CLOCK_MONOTONIC, None)?;
    timer.set(0, 5 * MS, 0)?;
    let told = wait(libc::SIGALRM, 10_000)?;
    let expected = Some((SI_TIMER, timer.0, 0, u64::from(timer.0.unsigned_abs())));
    report.same("SIGALRM unless asked for another", told, expected);
    timer.delete()?;
    Ok(())
}

fn overruns(report: &mut Report, signal: i32) -> Outcome {
    let event = Event::new(SIGEV_SIGNAL, signal, 0, 0);
    let timer = Timer::create(libc::CLOCK_MONOTONIC, Some(&event))?;
    timer.set(0, 2 * MS, 2 * MS)?;
    for _ in 0..3 {
        report.check("again and again", wait(signal, 10_000)?.is_some());
    }
    // A host that stops the machine may let the sleeper run before the timer.
    let mut told = 0;
    for _ in 0..100 {
        sys::sleep_ms(100);
        told = wait(signal, 10_000)?.map_or(0, |told| told.2);
        if told >= 20 {
            break;
        }
    }
    report.check("those missed are counted", told >= 20);
    report.same("and can be asked for", timer.overrun()?, i64::from(told));
    timer.set(0, MS / 10, MS / 10)?;
    let mut less = 0;
    for _ in 0..500 {
        let told = wait(signal, 10_000)?.map_or(-1, |told| i64::from(told.2));
        let asked = timer.overrun()?;
        less += i32::from(asked < told);
        if asked > told {
            report.same("as the last signal told", asked, told);
        }
    }
    // Linux leaves out what came while the signal was waiting, which is seldom.
    let exact = std::path::Path::new("/proc/paddock").exists();
    report.check("no less than that", less <= if exact { 0 } else { 50 });
    timer.delete()?;
    while wait(signal, 0)?.is_some() {}
    report.same("no more once it is deleted", wait(signal, 30), Ok(None));
    Ok(())
}

fn quiet(report: &mut Report) -> Outcome {
    let event = Event::new(SIGEV_NONE, 0, 0, 0);
    let timer = Timer::create(libc::CLOCK_MONOTONIC, Some(&event))?;
    timer.set(0, 10 * MS, 0)?;
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while timer.get()?.0 > 0 && std::time::Instant::now() < end {
        sys::sleep_ms(5);
    }
    report.same("it runs out without a signal", timer.get(), Ok((0, 0)));
    timer.delete()?;
    Ok(())
}

/// One thread hears of it, though others could.
fn threads(report: &mut Report, signal: i32) -> Outcome {
    let (tell, hear) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = tell.send(sys::tid());
        wait(signal, 10_000).is_ok_and(|told| told.is_some())
    });
    let tid = hear.recv().map_err(|error| error.to_string())?;
    let event = Event::new(SIGEV_THREAD_ID, signal, 0, tid);
    let timer = Timer::create(libc::CLOCK_MONOTONIC, Some(&event))?;
    timer.set(0, 30 * MS, 0)?;
    report.same("not for this thread", wait(signal, 200), Ok(None));
    let heard = thread.join().unwrap_or(false);
    report.check("but for that one", heard);
    timer.delete()?;
    Ok(())
}

/// A child has none of them, and its end takes its own along.
fn processes(report: &mut Report, signal: i32) -> Outcome {
    let event = Event::new(SIGEV_SIGNAL, signal, 0, 0);
    let timer = Timer::create(libc::CLOCK_MONOTONIC, Some(&event))?;
    timer.set(0, 20 * MS, 0)?;
    let end = sys::in_child(|| {
        let gone = timer.get().is_err() && wait(signal, 100) == Ok(None);
        let own = Timer::create(libc::CLOCK_MONOTONIC, None);
        let set = own.and_then(|own| own.set(0, 1, 1));
        i32::from(!gone || set.is_err())
    });
    report.same("a child has none", end, Ok(sys::End::Exited(0)));
    report.check("the parent has", wait(signal, 10_000)?.is_some());
    timer.delete()?;
    Ok(())
}

/// Many at once, which expire in order.
fn many(report: &mut Report) -> Outcome {
    let signal = libc::SIGRTMIN() + 4;
    let mut timers = Vec::new();
    for n in 0..200u64 {
        let event = Event::new(SIGEV_SIGNAL, signal, n, 0);
        timers.push(Timer::create(libc::CLOCK_MONOTONIC, Some(&event))?);
    }
    for (n, timer) in timers.iter().enumerate().rev() {
        timer.set(0, 200 * MS + n as i64 * MS / 10, 0)?;
    }
    let mut order = Vec::new();
    while order.len() < timers.len() {
        let Some(told) = wait(signal, 10_000)? else {
            break;
        };
        order.push(told.3);
    }
    order.sort_unstable();
    report.check("each of many expires", order.iter().copied().eq(0..200));
    for timer in timers {
        timer.delete()?;
    }
    Ok(())
}
