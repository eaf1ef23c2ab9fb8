//! Pipes with several writers, and epolls with several waiters.

use super::{Job, ensure};
use crate::sys::{self, Errno, call};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const WRITERS: usize = 3;
const EACH: usize = 50_000;

/// Several processes write into one pipe, whose reader sometimes leaves early.
pub fn run_pipes(job: &Job) -> Result<u64, String> {
    let mut count = 0;
    while job.goes_on() {
        let early = count % 4 == 3;
        let [reading, writing] = sys::pipe()?;
        let writers: Result<Vec<i32>, Errno> = (0..WRITERS)
            .map(|_| sys::fork(|| write(reading, writing)))
            .collect();
        sys::close(writing)?;
        let wanted = if early { 10_000 } else { WRITERS * EACH };
        let mut bytes = vec![0; 8192];
        let mut found = 0;
        while found < wanted {
            match sys::read(reading, &mut bytes)? {
                0 => break,
                count => found += count,
            }
        }
        sys::close(reading)?;
        ensure(early || found == wanted, "all that was written is read")?;
        for pid in writers? {
            let expected = match sys::wait(pid)? {
                sys::End::Exited(0) => true,
                sys::End::Exited(2) => early,
                _ => false,
            };
            ensure(expected, "a writer ends well")?;
        }
        count += 1;
    }
    Ok(count)
}

fn write(reading: i32, writing: i32) -> i32 {
    let _ = sys::close(reading);
    match sys::write_all(writing, &[1; EACH]) {
        Ok(()) => 0,
        Err(Errno(libc::EPIPE)) => 2,
        Err(_) => 1,
    }
}

const PIPES: usize = 6;
const WAITERS: usize = 3;

/// Several threads wait on one epoll while pipes in it are written, closed and
/// made anew. Each byte is read once.
pub fn run_epolls(job: &Job) -> Result<u64, String> {
    let mut count = 0;
    while job.goes_on() {
        let epoll = call!(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
        let (over, read) = (AtomicBool::new(false), AtomicUsize::new(0));
        let written = std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..WAITERS)
                .map(|_| scope.spawn(|| wait(epoll, &over, &read)))
                .collect();
            let written = feed(epoll, &read);
            over.store(true, Ordering::SeqCst);
            let good = waiters
                .into_iter()
                .all(|waiter| matches!(waiter.join(), Ok(Ok(()))));
            ensure(good, "waiters end well")?;
            written
        })?;
        sys::close(epoll)?;
        ensure(
            read.load(Ordering::SeqCst) == written,
            "every byte is read once",
        )?;
        count += written as u64;
    }
    Ok(count)
}

/// Writes into pipes and lets the waiters read, then closes them; how many
/// bytes that were.
fn feed(epoll: i32, read: &AtomicUsize) -> Result<usize, String> {
    let mut written = 0;
    for _ in 0..5 {
        let mut pipes = Vec::new();
        for _ in 0..PIPES {
            let [reading, writing] = sys::pipe()?;
            sys::set_nonblocking(reading, true)?;
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: reading as u64,
            };
            call!(libc::epoll_ctl(
                epoll,
                libc::EPOLL_CTL_ADD,
                reading,
                &mut event
            ))?;
            pipes.push([reading, writing]);
        }
        for [_, writing] in &pipes {
            written += sys::write(*writing, &[1; 10])?;
        }
        // Closed only once all is read: what is in a closed pipe is gone.
        for _ in 0..20_000 {
            if read.load(Ordering::SeqCst) == written {
                break;
            }
            sys::sleep_ms(1);
        }
        for [reading, writing] in pipes {
            sys::close(reading)?;
            sys::close(writing)?;
        }
    }
    Ok(written)
}

fn wait(epoll: i32, over: &AtomicBool, read: &AtomicUsize) -> Result<(), Errno> {
    let mut events = [const { libc::epoll_event { events: 0, u64: 0 } }; 4];
    while !over.load(Ordering::SeqCst) {
        let found = call!(libc::epoll_wait(epoll, events.as_mut_ptr(), 4, 50));
        let found = match found {
            Ok(found) => found.unsigned_abs() as usize,
            Err(Errno(libc::EINTR)) => 0,
            Err(errno) => return Err(errno),
        };
        for event in &events[..found] {
            match sys::read(event.u64 as i32, &mut [0; 3]) {
                Ok(count) => drop(read.fetch_add(count, Ordering::SeqCst)),
                // Another waiter was faster, or it is closed by now.
                Err(Errno(libc::EAGAIN | libc::EBADF)) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}
