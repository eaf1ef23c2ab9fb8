//! Signals between processes.

use super::{Found, same};
use crate::sys::{self, End, call};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    COUNT.fetch_add(1, Ordering::SeqCst);
}

fn catch(signal: i32) -> Result<i32, sys::Errno> {
    // SAFETY: an all-zero sigaction is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as *const () as libc::sighandler_t;
    call!(libc::sigaction(signal, &action, std::ptr::null_mut()))
}

/// One after another is sent and answered; reads in between are interrupted.
pub fn counted() -> Found {
    const SIGNALS: u32 = 12;
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| i32::from(answer(writer, SIGNALS).is_err()))?;
    sys::close(writer)?;
    for expected in 0..=SIGNALS {
        let mut byte = [0];
        same("an answer", sys::read(reader, &mut byte)?, 1)?;
        same("handled so far", u32::from(byte[0]), expected)?;
        if expected < SIGNALS {
            sys::kill(child, libc::SIGUSR1)?;
        }
    }
    same("the child", sys::wait(child)?, End::Exited(0))?;
    sys::close(reader)?;
    alarms()
}

/// Says how many signals there were, at first and after each.
fn answer(writer: i32, last: u32) -> Result<(), sys::Errno> {
    // SAFETY: an all-zero set is valid; the calls only change it.
    let (one, none) = unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        let mut one = none;
        libc::sigaddset(&mut one, libc::SIGUSR1);
        (one, none)
    };
    let nowhere = std::ptr::null_mut();
    call!(libc::sigprocmask(libc::SIG_BLOCK, &one, nowhere))?;
    catch(libc::SIGUSR1)?;
    let mut told = 0;
    sys::write_all(writer, &[0])?;
    while told < last {
        // Comes back with an error once a handler has run.
        let _ = call!(libc::sigsuspend(&none));
        told = COUNT.load(Ordering::SeqCst);
        sys::write_all(writer, &[told as u8])?;
    }
    Ok(())
}

/// An interval timer interrupts a sleep.
fn alarms() -> Found {
    let before = COUNT.load(Ordering::SeqCst);
    catch(libc::SIGALRM)?;
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: 2_000,
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    let nowhere = std::ptr::null_mut();
    call!(libc::setitimer(libc::ITIMER_REAL, &timer, nowhere))?;
    while COUNT.load(Ordering::SeqCst) < before + 4 {
        let _ = call!(libc::poll(std::ptr::null_mut(), 0, 40_000));
    }
    // SAFETY: an all-zero timer is valid, and turns it off.
    let off = unsafe { std::mem::zeroed() };
    call!(libc::setitimer(libc::ITIMER_REAL, &off, nowhere))?;
    Ok(())
}

/// A child is stopped and continued again and again, then killed.
pub fn stops() -> Found {
    let child = sys::fork(|| {
        loop {
            std::hint::spin_loop();
        }
    })?;
    for _ in 0..3 {
        sys::kill(child, libc::SIGSTOP)?;
        let (_, end) = sys::wait_with(child, libc::WUNTRACED)?;
        same("stopped", end, End::Stopped(libc::SIGSTOP))?;
        sys::kill(child, libc::SIGCONT)?;
        let (_, end) = sys::wait_with(child, libc::WCONTINUED)?;
        same("continued", end, End::Continued)?;
    }
    sys::kill(child, libc::SIGSTOP)?;
    sys::kill(child, libc::SIGKILL)?;
    same("killed", sys::wait(child)?, End::Killed(libc::SIGKILL))
}

/// Children that sleep, read, compute, fork or have threads are killed.
pub fn killed() -> Found {
    let [reader, _writer] = sys::pipe()?;
    let busy: [&dyn Fn(); 5] = [
        &|| sys::sleep_ms(50_000),
        &|| assert!(sys::read(reader, &mut [0]).is_err()),
        &std::hint::spin_loop,
        &|| assert!(sys::in_child(|| 0).is_ok()),
        &|| drop(std::thread::spawn(|| sys::sleep_ms(1)).join()),
    ];
    for (number, work) in busy.iter().enumerate() {
        let child = sys::fork(|| {
            loop {
                work();
            }
        })?;
        sys::sleep_ms(number as u64 % 3);
        sys::kill(child, libc::SIGKILL)?;
        same("killed", sys::wait(child)?, End::Killed(libc::SIGKILL))?;
    }
    sys::close(reader)?;
    Ok(())
}
