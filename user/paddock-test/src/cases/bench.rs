//! What some calls cost, in nanoseconds each.

pub mod disk;
mod many;
mod names;
mod sockets;
mod transfers;
mod wire;

use std::time::Instant;

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, call};

pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let kind = words.first().map_or("syscall", String::as_str);
    let count: u64 = number(words, 1, 1_000)?;
    let work: fn() -> Result<(), String> = match kind {
        "syscall" => return system_calls(count),
        "epoll" => return epoll_waits(count, number(words, 2, 5)?),
        "close" => return closes(count, number(words, 2, 5)?),
        "children" | "locks" | "timers" => return many::run(kind, count, number(words, 2, 5)?),
        "zero" | "null" | "page" | "stat" | "read" | "write" | "stream" => {
            return transfers::run(kind, count);
        }
        "open" | "create" | "unlink" => return names::run(kind, count),
        "tcp" | "tcp-open" | "tcp-stream" | "tcp-held" | "udp" | "unix" => {
            return sockets::run(kind, count, number(words, 2, 0)?);
        }
        "receive" | "send" => return wire::run(kind, count, words.get(2)),
        "fork" => || sys::in_child(|| 0).map(drop).map_err(String::from),
        "exec" => || {
            sys::run_self(&["exit", "0"])
                .map(drop)
                .map_err(String::from)
        },
        "pipe" => pipe,
        "file" => file,
        _ => return Err(format!("no bench is called {kind:?}")),
    };
    let begin = Instant::now();
    for _ in 0..count {
        work()?;
    }
    tell(kind, count, begin);
    Ok(())
}

/// Tells what `once` costs, made so often after a few times that do not count: what is
/// made once is there by then.
fn repeat<E>(kind: &str, count: u64, mut once: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    for _ in 0..20 {
        once()?;
    }
    let begin = Instant::now();
    for _ in 0..count {
        once()?;
    }
    tell(kind, count, begin);
    Ok(())
}

fn tell(kind: &str, count: u64, begin: Instant) {
    let each = begin.elapsed().as_nanos() / u128::from(count.max(1));
    println!("bench {kind} count={count} each_ns={each}");
}

/// Nothing but the way into the kernel and back.
fn system_calls(count: u64) -> Outcome {
    let begin = Instant::now();
    for _ in 0..count {
        std::hint::black_box(getppid());
    }
    tell("syscall", count, begin);
    Ok(())
}

#[cfg(target_arch = "aarch64")]
fn getppid() -> i64 {
    let parent;
    // SAFETY: a system call that only returns a number; x0 alone changes.
    unsafe {
        std::arch::asm!("svc #0", in("x8") libc::SYS_getppid, lateout("x0") parent);
    }
    parent
}

#[cfg(not(target_arch = "aarch64"))]
fn getppid() -> i64 {
    // SAFETY: has no conditions.
    unsafe { libc::syscall(libc::SYS_getppid) }
}

/// Descriptors of counters that stay at zero, at most as many as a process may
/// have.
fn idle(count: u64) -> Result<Vec<i32>, String> {
    let room = libc::rlimit {
        rlim_cur: count + 100,
        rlim_max: count + 100,
    };
    if count > 500 {
        call!(libc::setrlimit(libc::RLIMIT_NOFILE, &room))?;
    }
    let counters = (0..count).map(|_| call!(libc::eventfd(0, 0)));
    Ok(counters.collect::<Result<_, _>>()?)
}

fn watch(epoll: i32, fd: i32) -> Result<(), String> {
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 0,
    };
    call!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event))?;
    Ok(())
}

/// epoll_wait(2) with one descriptor that is ready and many that are not.
fn epoll_waits(count: u64, others: u64) -> Outcome {
    let epoll = call!(libc::epoll_create1(0))?;
    for fd in idle(others)? {
        watch(epoll, fd)?;
    }
    watch(epoll, call!(libc::eventfd(1, 0))?)?;
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    let begin = Instant::now();
    for _ in 0..count {
        call!(libc::epoll_wait(epoll, &mut event, 1, 0))?;
    }
    tell("epoll", count, begin);
    Ok(())
}

/// A descriptor watched and closed beside many epolls that watch another.
fn closes(count: u64, others: u64) -> Outcome {
    let [reader, _writer] = sys::pipe()?;
    // Raises the limit.
    for fd in idle(others)? {
        sys::close(fd)?;
        watch(call!(libc::epoll_create1(0))?, reader)?;
    }
    let epoll = call!(libc::epoll_create1(0))?;
    let begin = Instant::now();
    for _ in 0..count {
        let counter = call!(libc::eventfd(0, 0))?;
        watch(epoll, counter)?;
        sys::close(counter)?;
    }
    tell("close", count, begin);
    Ok(())
}

/// One page through a pipe.
fn pipe() -> Result<(), String> {
    let [reader, writer] = sys::pipe()?;
    let mut bytes = [0; 4096];
    sys::write_all(writer, &bytes)?;
    sys::read(reader, &mut bytes)?;
    sys::close(reader)?;
    sys::close(writer)?;
    Ok(())
}

/// A file made, written, and removed again.
fn file() -> Result<(), String> {
    let name = format!("/tmp/bench-{}", std::process::id());
    std::fs::write(&name, [1; 4096]).map_err(|error| error.to_string())?;
    std::fs::remove_file(&name).map_err(|error| error.to_string())
}
