//! Resource limits that bind (getrlimit(2)), and nice values.

use std::fs;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, Map, call};

/// How long shares of a CPU may take to become what they should be.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// A child that works, on one CPU with others, until it is killed.
fn worker(nice: i32) -> Result<i32, Errno> {
    sys::fork(|| {
        let mut cpus = [0u8; 128];
        cpus[0] = 1;
        let bound = call!(libc::syscall(
            libc::SYS_sched_setaffinity,
            0,
            cpus.len(),
            cpus.as_ptr()
        ));
        let set = call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, nice));
        if bound.is_err() || set.is_err() {
            return 1;
        }
        let mut sum = 0u64;
        loop {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    })
}

/// The CPU time (ns) that another process has used.
fn used(pid: i32) -> Result<u64, Errno> {
    let mut clock = 0;
    // SAFETY: fills in the clock's number.
    let error = unsafe { libc::clock_getcpuclockid(pid, &mut clock) };
    if error != 0 {
        return Err(Errno(error));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    call!(libc::clock_gettime(clock, &mut time))?;
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// A host that stops the machine for a while makes that the time of whoever runs: in the
/// long run the shares are as they should be.
fn shares(report: &mut Report) -> Outcome {
    let workers = [worker(0)?, worker(19)?];
    let begin = Instant::now();
    let mut good = false;
    while !good && begin.elapsed() < PATIENCE {
        sys::sleep_ms(500);
        let [usual, nicer] = [used(workers[0])?, used(workers[1])?];
        good = nicer > 0 && usual > 4 * nicer && usual > 400_000_000;
    }
    for pid in workers {
        sys::kill(pid, libc::SIGKILL)?;
        sys::wait(pid)?;
    }
    report.check("who is nicer gets less", good);
    Ok(())
}
