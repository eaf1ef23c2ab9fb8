//! Resource limits that bind (getrlimit(2)), and nice values.

use std::fs;
use std::os::fd::AsRawFd;

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, Map, call};

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "limits")?;
    let path = folder.join("file");
    let outcome = file_size(report, &path)
        .and_then(|()| memory(report))
        .and_then(|()| descriptors(report))
        .and_then(|()| queued_signals(report))
        .and_then(|()| rules(report))
        .and_then(|()| nice(report));
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn set(which: i32, soft: u64, hard: u64) -> Result<i32, Errno> {
    let limit = libc::rlimit {
        rlim_cur: soft as _,
        rlim_max: hard as _,
    };
    call!(libc::setrlimit(which as _, &limit))
}

const NONE: u64 = libc::RLIM_INFINITY;

/// Whether `body`, in a child, gives true.
fn child(report: &mut Report, name: &str, body: impl FnOnce() -> Result<bool, Errno>) -> Outcome {
    let end = sys::in_child(|| match body() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(Errno(errno)) => errno,
    })?;
    report.same(name, end, End::Exited(0));
    Ok(())
}

fn file_size(report: &mut Report, path: &std::path::Path) -> Outcome {
    let make = || fs::File::create(path).map_err(|e| Errno(e.raw_os_error().unwrap_or(1)));
    child(report, "RLIMIT_FSIZE cuts a write", || {
        let file = make()?;
        set(libc::RLIMIT_FSIZE as i32, 1000, NONE)?;
        let count = sys::write(file.as_raw_fd(), &[1; 4000])?;
        // SAFETY: the signal is ignored from now on.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        let more = sys::write(file.as_raw_fd(), &[1]);
        let longer = call!(libc::ftruncate(file.as_raw_fd(), 1001));
        let shorter = call!(libc::ftruncate(file.as_raw_fd(), 10));
        let at = call!(libc::pwrite(
            file.as_raw_fd(),
            [1u8; 20].as_ptr().cast(),
            20,
            990
        ));
        let refused = Err(Errno(libc::EFBIG));
        Ok(count == 1000
            && more == refused
            && longer == refused.map(|_: usize| 0)
            && shorter.is_ok()
            && at == Ok(10))
    })?;
    let file = make()?;
    report.same(
        "and sends SIGXFSZ",
        sys::in_child(|| {
            let ready = set(libc::RLIMIT_FSIZE as i32, 0, NONE);
            i32::from(ready.is_err() || sys::write(file.as_raw_fd(), &[1]).is_ok())
        })?,
        End::Killed(libc::SIGXFSZ),
    );
    child(report, "but not for pipes", || {
        set(libc::RLIMIT_FSIZE as i32, 0, NONE)?;
        let [_, writer] = sys::pipe()?;
        Ok(sys::write(writer, &[1])? == 1)
    })
}

fn memory(report: &mut Report) -> Outcome {
    const MIB: usize = 1 << 20;
    for (name, which) in [
        ("RLIMIT_AS", libc::RLIMIT_AS),
        ("RLIMIT_DATA", libc::RLIMIT_DATA),
    ] {
        child(report, name, || {
            set(which as i32, 64 << 20, NONE)?;
            let refused = Map::memory(128 * MIB).map(drop) == Err(Errno(libc::ENOMEM));
            set(which as i32, NONE, NONE)?;
            Ok(refused && Map::memory(128 * MIB).is_ok())
        })?;
    }
    child(report, "a child inherits it", || {
        set(libc::RLIMIT_AS as i32, 64 << 20, NONE)?;
        let end = sys::in_child(|| i32::from(Map::memory(128 * MIB).is_ok()))?;
        Ok(end == End::Exited(0))
    })
}

fn descriptors(report: &mut Report) -> Outcome {
    child(report, "RLIMIT_NOFILE", || {
        set(libc::RLIMIT_NOFILE as i32, 20, 20)?;
        let mut last = Ok(0);
        for _ in 0..30 {
            last = call!(libc::dup(0));
        }
        let above = call!(libc::dup2(0, 25));
        Ok(last == Err(Errno(libc::EMFILE)) && above == Err(Errno(libc::EBADF)))
    })
}

fn queued_signals(report: &mut Report) -> Outcome {
    // Of a user's whole on Linux: another user, if it may be, has none queued.
    child(report, "RLIMIT_SIGPENDING", || {
        let _ = call!(libc::syscall(libc::SYS_setresuid, 4321, 4321, 4321));
        let signal = libc::SIGRTMIN() + 1;
        // SAFETY: all zeroes is a set of signals; it lives for the calls.
        let mut set_of: libc::sigset_t = unsafe { std::mem::zeroed() };
        call!(libc::sigaddset(&mut set_of, signal))?;
        call!(libc::sigprocmask(
            libc::SIG_BLOCK,
            &set_of,
            std::ptr::null_mut()
        ))?;
        set(libc::RLIMIT_SIGPENDING as i32, 3, 3)?;
        let value = libc::sigval {
            sival_ptr: std::ptr::null_mut(),
        };
        let mut sent = 0;
        for _ in 0..10 {
            match call!(libc::sigqueue(std::process::id() as i32, signal, value)) {
                Ok(_) => sent += 1,
                Err(Errno(libc::EAGAIN)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent == 3)
    })
}

fn rules(report: &mut Report) -> Outcome {
    child(report, "the soft limit is at most the hard one", || {
        Ok(set(libc::RLIMIT_CORE as i32, 2, 1) == Err(Errno(libc::EINVAL)))
    })?;
    child(report, "nobody else raises a hard limit", || {
        let _ = call!(libc::syscall(libc::SYS_setresuid, 4321, 4321, 4321));
        set(libc::RLIMIT_CORE as i32, 0, 0)?;
        Ok(set(libc::RLIMIT_CORE as i32, 0, 1) == Err(Errno(libc::EPERM)))
    })?;
    child(report, "an unknown limit", || {
        Ok(set(16, 0, 0) == Err(Errno(libc::EINVAL)))
    })
}

fn nice_of_self() -> Result<i32, Errno> {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, rest) = text.rsplit_once(')').ok_or(Errno(libc::EIO))?;
    let word = rest
        .split_whitespace()
        .nth(16)
        .and_then(|word| word.parse().ok());
    word.ok_or(Errno(libc::EIO))
}

fn nice(report: &mut Report) -> Outcome {
    child(report, "a nice value is kept, told and inherited", || {
        call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, 7))?;
        let end = sys::in_child(|| i32::from(nice_of_self() != Ok(7)))?;
        Ok(nice_of_self()? == 7 && end == End::Exited(0))
    })?;
    child(report, "RLIMIT_NICE lets it get better", || {
        call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, 10))?;
        if set(libc::RLIMIT_NICE as i32, 15, 15).is_err() {
            // Only a superuser can try that.
            return Ok(true);
        }
        call!(libc::syscall(libc::SYS_setresuid, 4321, 4321, 4321))?;
        let better = call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, 5));
        let best = call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, 4));
        Ok(better.is_ok() && best == Err(Errno(libc::EACCES)))
    })?;
    shares(report)
}

/// CPU time (ms) of a child that works, on one CPU with others, until it hears.
fn worker(nice: i32, until: i32, end: i32) -> Result<(i32, i32), Errno> {
    let [reader, writer] = sys::pipe()?;
    let pid = sys::fork(|| {
        let mut cpus = [0u8; 128];
        cpus[0] = 1;
        let bound = call!(libc::syscall(
            libc::SYS_sched_setaffinity,
            0,
            cpus.len(),
            cpus.as_ptr()
        ));
        let set = call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, nice));
        let _ = sys::close(end).and_then(|_| sys::set_nonblocking(until, true));
        let mut sum = 0u64;
        while sys::read(until, &mut [0]) == Err(Errno(libc::EAGAIN)) {
            for n in 0..100_000u64 {
                sum = std::hint::black_box(sum.wrapping_add(n));
            }
        }
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let _ = call!(libc::clock_gettime(
            libc::CLOCK_PROCESS_CPUTIME_ID,
            &mut time
        ));
        let ms = (time.tv_sec * 1000 + time.tv_nsec / 1_000_000) as u32;
        let _ = sys::write(writer, &ms.to_le_bytes());
        i32::from(bound.is_err() || set.is_err())
    })?;
    sys::close(writer)?;
    Ok((pid, reader))
}

fn shares(report: &mut Report) -> Outcome {
    let [until, end] = sys::pipe()?;
    let workers = [worker(0, until, end)?, worker(19, until, end)?];
    sys::sleep_ms(1500);
    sys::close(end)?;
    let mut times = [0u32; 2];
    for ((pid, reader), ms) in workers.iter().zip(&mut times) {
        let mut bytes = [0; 4];
        sys::kill(*pid, 0)?;
        let _ = sys::read(*reader, &mut bytes)?;
        *ms = u32::from_le_bytes(bytes);
        sys::wait(*pid)?;
        sys::close(*reader)?;
    }
    sys::close(until)?;
    report.check(
        "who is nicer gets less",
        times[0] > 4 * times[1] && times[0] > 100,
    );
    Ok(())
}
