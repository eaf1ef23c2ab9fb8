//! Takes all there is of something, as an ordinary user, and keeps or gives
//! up what it got: what the rest of the system makes of it is looked at from
//! outside.

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, Errno, call};
use std::ffi::CString;
use std::time::Duration;

/// Who takes it, unless another user is named.
const UID: u32 = 1000;
/// Bytes written at a time.
static BLOCK: [u8; 65_536] = [0x5a; 65_536];

/// `KIND [UID [hold|spin]]`: prints what it got; with `hold` it keeps that until
/// it is killed, with `spin` it never stops working besides.
pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let Some(kind) = words.first().map(String::as_str) else {
        eprintln!("usage: paddock-test exhaust KIND [UID [hold|spin]]");
        std::process::exit(2);
    };
    let uid = number(words, 1, UID)?;
    let then = words.get(2).map(String::as_str);
    become_user(uid)?;
    let got = match kind {
        "pipes" => pipes()?,
        "sockets" => sockets()?,
        "tcp" => tcp()?,
        "bytes" => bytes(uid)?,
        "names" => names(uid)?,
        "descriptors" => descriptors(),
        "fork" => fork_bomb(),
        "children" => children(),
        "zombies" => zombies(),
        "threads" => threads(),
        _ => return Err(format!("`{kind}` is nothing to take all of")),
    };
    println!("{kind} {got}");
    match then {
        Some("hold") => sleep_for_ever(),
        Some("spin") => spin_for_ever(),
        _ => Ok(()),
    }
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn spin_for_ever() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

fn become_user(uid: u32) -> Result<(), Errno> {
    if uid != 0 {
        call!(libc::setgroups(0, std::ptr::null()))?;
        call!(libc::setgid(uid))?;
        call!(libc::setuid(uid))?;
    }
    Ok(())
}

/// As many descriptors as this process and its children may have.
fn raise_descriptors() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    if call!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit)).is_ok() {
        limit.rlim_cur = limit.rlim_max;
        let _ = call!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit));
    }
}

/// Writes to a descriptor that does not block until nothing more goes in.
fn fill(fd: i32) -> Result<usize, Errno> {
    sys::set_nonblocking(fd, true)?;
    let mut filled = 0;
    while let Ok(count @ 1..) = sys::write(fd, &BLOCK) {
        filled += count;
    }
    Ok(filled)
}

/// Pipes, each filled; bytes.
fn pipes() -> Result<usize, Errno> {
    raise_descriptors();
    let mut filled = 0;
    while let Ok(ends) = sys::pipe() {
        filled += fill(ends[1])?;
    }
    Ok(filled)
}

/// Pairs of sockets, filled in both directions; bytes.
fn sockets() -> Result<usize, Errno> {
    raise_descriptors();
    let mut filled = 0;
    loop {
        let mut ends = [0; 2];
        let made = call!(libc::socketpair(
            libc::AF_UNIX,
            libc::SOCK_STREAM,
            0,
            ends.as_mut_ptr()
        ));
        if made.is_err() {
            return Ok(filled);
        }
        filled += fill(ends[0])? + fill(ends[1])?;
    }
}

/// TCP sockets; how many.
fn tcp() -> Result<usize, Errno> {
    raise_descriptors();
    let mut count = 0;
    while call!(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0)).is_ok() {
        count += 1;
    }
    Ok(count)
}

fn create(path: &str) -> Result<i32, Errno> {
    let path = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
    call!(libc::open(
        path.as_ptr(),
        libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC,
        0o600
    ))
}

/// One file in `/tmp` that takes all that goes in; bytes.
fn bytes(uid: u32) -> Result<usize, Errno> {
    let fd = create(&format!("/tmp/bytes-{uid}"))?;
    let mut written = 0;
    while let Ok(count @ 1..) = sys::write(fd, &BLOCK) {
        written += count;
    }
    Ok(written)
}

/// Empty files in `/tmp`; how many. They stay.
fn names(uid: u32) -> Result<usize, Errno> {
    let mut count = 0;
    loop {
        match create(&format!("/tmp/name-{uid}-{}-{count}", std::process::id())) {
            Ok(fd) => sys::close(fd)?,
            Err(_) => return Ok(count),
        };
        count += 1;
    }
}

/// Descriptors in as many children as there may be; how many children.
fn descriptors() -> usize {
    raise_descriptors();
    let taken = || {
        while call!(libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY)).is_ok() {}
        sleep_for_ever()
    };
    until_refused(|| sys::fork(taken).is_ok())
}

fn until_refused(mut one: impl FnMut() -> bool) -> usize {
    let mut count = 0;
    while one() {
        count += 1;
    }
    count
}

/// Every process forks for ever.
fn fork_bomb() -> usize {
    loop {
        // SAFETY: the child does nothing but go on here.
        unsafe { libc::fork() };
    }
}

/// Children that sleep; how many.
fn children() -> usize {
    until_refused(|| sys::fork(|| sleep_for_ever()).is_ok())
}

/// Children that have ended and that nobody waits for; how many.
fn zombies() -> usize {
    until_refused(|| sys::fork(|| 0).is_ok())
}

/// Threads that never stop working; how many.
fn threads() -> usize {
    let one = || {
        let builder = std::thread::Builder::new().stack_size(16 << 10);
        builder.spawn(|| spin_for_ever()).is_ok()
    };
    until_refused(one)
}
