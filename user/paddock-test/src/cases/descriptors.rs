//! Descriptors of signals, processes and memory (signalfd(2), pidfd_open(2),
//! memfd_create(2)), and memory
//! that stays (mlock(2), mincore(2)).

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, call, close, read};

const PAGE: usize = 4096;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    signals(report)?;
    processes(report)?;
    locked(report)?;
    memory_files(report)?;
    Ok(())
}

/// memfd_create(2) and seals.
fn memory_files(report: &mut Report) -> Result<(), Errno> {
    let fd = call!(libc::memfd_create(
        c"scratch".as_ptr(),
        libc::MFD_ALLOW_SEALING | libc::MFD_CLOEXEC
    ))?;
    sys::write_all(fd, &[7; 2 * PAGE])?;
    let name = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    let name = name.map(|name| name.to_string_lossy().into_owned());
    report.same(
        "its name",
        name.unwrap_or_default(),
        "/memfd:scratch (deleted)".to_owned(),
    );
    let map = |prot: i32| {
        call!(libc::mmap(
            std::ptr::null_mut(),
            PAGE,
            prot,
            libc::MAP_SHARED,
            fd,
            0
        ))
    };
    let add = |seals: i32| call!(libc::fcntl(fd, libc::F_ADD_SEALS, seals));
    let cut = |length: usize| call!(libc::ftruncate(fd, length as i64));
    let place = map(libc::PROT_READ | libc::PROT_WRITE)?;
    let busy = Err(Errno(libc::EBUSY));
    report.same("mapped: sealed", add(libc::F_SEAL_WRITE), busy);
    call!(libc::munmap(place, PAGE))?;
    let refused = || Err(Errno(libc::EPERM));
    add(libc::F_SEAL_SHRINK)?;
    report.same("shorter", cut(PAGE), refused());
    report.same("longer", cut(3 * PAGE), Ok(0));
    add(libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL)?;
    report.same("longer, sealed", cut(4 * PAGE), refused());
    let written = sys::write(fd, b"x").map(|count| count as i32);
    report.same("written", written, refused());
    let writable = map(libc::PROT_READ | libc::PROT_WRITE).map(|_| 0);
    report.same("mapped to be written", writable, refused());
    let readable = map(libc::PROT_READ)?;
    // SAFETY: a page that was just mapped to be read.
    let first = unsafe { readable.cast::<u8>().read_volatile() };
    report.same("mapped to be read", first, 7);
    call!(libc::munmap(readable, PAGE))?;
    report.same("one seal more", add(libc::F_SEAL_FUTURE_WRITE), refused());
    let all = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    report.same("seals", call!(libc::fcntl(fd, libc::F_GET_SEALS)), Ok(all));
    let plain = call!(libc::memfd_create(c"".as_ptr(), 0))?;
    let sealed = call!(libc::fcntl(plain, libc::F_ADD_SEALS, libc::F_SEAL_GROW));
    report.same("not to be sealed", sealed, refused());
    let flags = call!(libc::memfd_create(c"".as_ptr(), 0x4000));
    report.same("unknown flags", flags, Err(Errno(libc::EINVAL)));
    close(plain)?;
    close(fd).map(drop)
}

fn set_of(signals: &[i32]) -> u64 {
    signals.iter().map(|signal| 1u64 << (signal - 1)).sum()
}

fn signalfd(fd: i32, signals: &[i32], flags: i32) -> Result<i32, Errno> {
    let set = set_of(signals);
    let fd = call!(libc::syscall(libc::SYS_signalfd4, fd, &set, 8, flags))?;
    Ok(fd as i32)
}

fn is_ready(fd: i32, timeout: i32) -> Result<bool, Errno> {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    Ok(call!(libc::poll(&mut poll, 1, timeout))? == 1)
}

/// The number, code and sender of each signal that is read at once.
fn read_signals(fd: i32) -> Result<Vec<(u32, i32, u32)>, Errno> {
    let mut bytes = [0; 4 * 128];
    let count = read(fd, &mut bytes)?;
    let word = |at: usize| {
        let word = bytes[at..at + 4].try_into();
        u32::from_le_bytes(word.unwrap_or_default())
    };
    let records = (0..count / 128).map(|record| record * 128);
    Ok(records
        .map(|at| (word(at), word(at + 8) as i32, word(at + 12)))
        .collect())
}

fn signals(report: &mut Report) -> Result<(), Errno> {
    let set = set_of(&[libc::SIGUSR1, libc::SIGUSR2]);
    let mut before = 0u64;
    let block = |how: i32, set: &u64, old: *mut u64| {
        call!(libc::syscall(libc::SYS_rt_sigprocmask, how, set, old, 8))
    };
    block(libc::SIG_BLOCK, &set, &mut before)?;
    let fd = signalfd(-1, &[libc::SIGUSR1], libc::SFD_NONBLOCK)?;
    report.same("no signal", read_signals(fd), Err(Errno(libc::EAGAIN)));
    report.check("not ready", !is_ready(fd, 0)?);
    let own = std::process::id();
    sys::kill(own as i32, libc::SIGUSR2)?;
    report.check("another signal", !is_ready(fd, 0)?);
    sys::kill(own as i32, libc::SIGUSR1)?;
    report.check("a signal", is_ready(fd, -1)?);
    let expected = (libc::SIGUSR1 as u32, libc::SI_USER, own);
    report.same("is read", read_signals(fd), Ok(vec![expected]));
    report.check("once", !is_ready(fd, 0)?);
    let short = read(fd, &mut [0; 100]);
    report.same("no room", short, Err(Errno(libc::EINVAL)));
    signalfd(fd, &[libc::SIGUSR1, libc::SIGUSR2], 0)?;
    sys::kill(own as i32, libc::SIGUSR1)?;
    report.same("both", read_signals(fd).map(|all| all.len()), Ok(2));
    // One that waits hears of it, whoever sends it.
    let child = sys::fork(|| {
        let sent = sys::kill(own as i32, libc::SIGUSR1);
        i32::from(sent.is_err())
    })?;
    report.check("waited for", is_ready(fd, -1)?);
    let sender = read_signals(fd)?.first().map(|signal| signal.2);
    report.same("from the child", sender, Some(child as u32));
    report.same("it ends", sys::wait(child)?, End::Exited(0));
    let wrong = signalfd(0, &[libc::SIGUSR1], 0);
    report.same("no signalfd", wrong, Err(Errno(libc::EINVAL)));
    close(fd)?;
    block(libc::SIG_SETMASK, &before, std::ptr::null_mut()).map(drop)
}

fn pidfd_open(pid: i32, flags: u32) -> Result<i32, Errno> {
    let fd = call!(libc::syscall(libc::SYS_pidfd_open, pid, flags))?;
    Ok(fd as i32)
}

fn pidfd_signal(fd: i32, signal: i32) -> Result<(), Errno> {
    let info = std::ptr::null::<libc::siginfo_t>();
    call!(libc::syscall(
        libc::SYS_pidfd_send_signal,
        fd,
        signal,
        info,
        0
    ))
    .map(drop)
}

fn processes(report: &mut Report) -> Result<(), Errno> {
    let ends = sys::pipe()?;
    let child = sys::fork(|| {
        let _ = read(ends[0], &mut [0; 1]);
        sys::sleep_ms(1_000_000);
        0
    })?;
    let fd = pidfd_open(child, 0)?;
    report.check("it runs", !is_ready(fd, 0)?);
    report.same("signal 0", pidfd_signal(fd, 0), Ok(()));
    let copy = call!(libc::syscall(libc::SYS_pidfd_getfd, fd, ends[1], 0))?;
    report.check("a descriptor of its", copy > ends[1].into());
    close(copy as i32)?;
    report.same("killed", pidfd_signal(fd, libc::SIGKILL), Ok(()));
    report.check("ready once it has ended", is_ready(fd, -1)?);
    // SAFETY: zeros are a siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let waited = call!(libc::waitid(
        libc::P_PIDFD,
        fd as libc::id_t,
        &mut info,
        libc::WEXITED
    ));
    report.same("waited for", waited, Ok(0));
    report.same("by its descriptor", info.si_code, libc::CLD_KILLED);
    let gone = pidfd_signal(fd, libc::SIGKILL);
    report.same("it is gone", gone, Err(Errno(libc::ESRCH)));
    report.same("no such", pidfd_open(child, 0), Err(Errno(libc::ESRCH)));
    report.same("no number", pidfd_open(0, 0), Err(Errno(libc::EINVAL)));
    report.same("flags", pidfd_open(1, 1), Err(Errno(libc::EINVAL)));
    let no_pidfd = pidfd_signal(ends[0], 0);
    report.same("no pidfd", no_pidfd, Err(Errno(libc::EBADF)));
    for fd in [fd, ends[0], ends[1]] {
        close(fd)?;
    }
    Ok(())
}

fn locked_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let figure = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    figure.unwrap_or(u64::MAX)
}

fn locked(report: &mut Report) -> Result<(), Errno> {
    let length = 8 * PAGE;
    let place = call!(libc::mmap(
        std::ptr::null_mut(),
        length,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        -1,
        0
    ))?;
    let resident = || {
        let mut pages = [0u8; 8];
        call!(libc::mincore(place, length, pages.as_mut_ptr()))?;
        Ok::<usize, Errno>(pages.iter().filter(|page| **page & 1 == 1).count())
    };
    report.same("nothing touched", resident()?, 0);
    let before = locked_kb();
    let within = place.wrapping_byte_add(PAGE + 100);
    call!(libc::mlock(within, PAGE))?;
    report.same("two pages are there", resident()?, 2);
    report.same("and locked", locked_kb(), before + 8);
    let advice = call!(libc::madvise(place, length, libc::MADV_DONTNEED));
    report.same("they stay", advice, Err(Errno(libc::EINVAL)));
    call!(libc::munlock(place, length))?;
    report.same("no longer locked", locked_kb(), before);
    let child = sys::in_child(|| {
        let limit = libc::rlimit {
            rlim_cur: PAGE as u64,
            rlim_max: PAGE as u64,
        };
        let set = call!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit));
        let user = call!(libc::setuid(1000));
        let good = call!(libc::mlock(place, PAGE)).is_ok();
        let too_much = call!(libc::mlock(place, length));
        let refused = too_much == Err(Errno(libc::ENOMEM));
        i32::from(set.is_err() || user.is_err() || !good || !refused)
    })?;
    report.same("within the limit", child, End::Exited(0));
    call!(libc::munmap(place, length))?;
    let gone = call!(libc::mlock(place, PAGE));
    report.same("unmapped", gone, Err(Errno(libc::ENOMEM)));
    Ok(())
}
