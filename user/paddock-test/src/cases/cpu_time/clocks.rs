//! The clocks of processes and threads, and sleeps on them.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of a process's clock (`of_thread`: of a thread's).
fn clock_of(id: i32, of_thread: bool) -> i32 {
    (!id << 3) | if of_thread { 6 } else { 2 }
}

pub fn clocks(report: &mut Report) -> Outcome {
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
    let own_thread = clock(clock_of(sys::tid(), true))?;
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

pub fn sleeps(report: &mut Report) -> Outcome {
    report.refused(
        "a thread does not sleep by its own clock",
        sleep_on(libc::CLOCK_THREAD_CPUTIME_ID, 0, MS),
        libc::EOPNOTSUPP,
    );
    report.refused(
        "nor by its number",
        sleep_on(clock_of(sys::tid(), true), 0, MS),
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
