//! Pipes, epoll, timers.

use super::{Found, check, same};
use crate::sys::{self, End, Hash, Noise, call};
use std::thread;
use std::time::{Duration, Instant};

const BYTES: usize = 40_000;

/// A stream in pieces of all sizes to a child and back, and broken ends.
pub fn pipes() -> Found {
    let text = Noise::new(3).bytes(BYTES);
    let [there_out, there_in] = sys::pipe()?;
    let [back_out, back_in] = sys::pipe()?;
    let child = sys::fork(|| {
        let closed = sys::close(there_in).and(sys::close(back_out));
        let copied = closed.and_then(|_| copy(there_out, back_in));
        i32::from(copied.is_err())
    })?;
    sys::close(there_out)?;
    sys::close(back_in)?;
    let found = thread::scope(|scope| {
        let writer = scope.spawn(|| write_pieces(there_in, &text));
        let found = sys::read_to_end(back_out);
        writer.join().map_err(|_| "the writer panicked")??;
        Ok::<_, String>(found?)
    })?;
    check("the stream", Hash::of(&found) == Hash::of(&text))?;
    same("the copier", sys::wait(child)?, End::Exited(0))?;
    sys::close(back_out)?;
    broken()
}

fn write_pieces(to: i32, mut text: &[u8]) -> Result<(), String> {
    let mut sizes = Noise::new(4);
    while !text.is_empty() {
        let size = (sizes.next() % 6000 + 1) as usize;
        let count = sys::write(to, &text[..size.min(text.len())])?;
        text = &text[count..];
    }
    sys::close(to)?;
    Ok(())
}

fn copy(from: i32, to: i32) -> Result<(), sys::Errno> {
    let mut bytes = vec![0; 3000];
    loop {
        match sys::read(from, &mut bytes)? {
            0 => return Ok(()),
            count => sys::write_all(to, &bytes[..count])?,
        }
    }
}

/// A writer that sleeps because the pipe is full is told when nobody reads any
/// more.
fn broken() -> Found {
    let [reader, writer] = sys::pipe()?;
    let end = sys::fork(|| {
        // SAFETY: ignoring a signal needs nothing of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let _ = sys::close(reader);
        while sys::write(writer, &[1; 4096]).is_ok() {}
        1
    })?;
    sys::read(reader, &mut [0; 8192])?;
    sys::close(reader)?;
    sys::close(writer)?;
    same("nobody reads", sys::wait(end)?, End::Killed(libc::SIGPIPE))
}

/// Edge-triggered readers of several pipes that threads write to.
pub fn epoll() -> Found {
    const PIPES: u64 = 3;
    const EACH: usize = 50;
    let set = call!(libc::epoll_create1(0))?;
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for number in 0..PIPES {
        let [reader, writer] = sys::pipe()?;
        sys::set_nonblocking(reader, true)?;
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET) as u32,
            u64: number,
        };
        call!(libc::epoll_ctl(
            set,
            libc::EPOLL_CTL_ADD,
            reader,
            &mut event
        ))?;
        readers.push(reader);
        writers.push(writer);
    }
    let counts = thread::scope(|scope| {
        for writer in writers {
            scope.spawn(move || {
                for _ in 0..EACH {
                    let _ = sys::write(writer, b"x");
                }
                let _ = sys::close(writer);
            });
        }
        drain(set, &readers)
    })?;
    same("bytes of each", counts, vec![EACH; PIPES as usize])?;
    sys::close(set)?;
    Ok(())
}

/// Reads what epoll announces, until every pipe has ended.
fn drain(set: i32, readers: &[i32]) -> Result<Vec<usize>, String> {
    let mut counts = vec![0; readers.len()];
    let mut open = readers.len();
    while open > 0 {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 4];
        let ready = call!(libc::epoll_wait(set, events.as_mut_ptr(), 4, 40_000))?;
        if ready == 0 {
            return Err(format!("nothing came any more after {counts:?}"));
        }
        for event in &events[..ready.unsigned_abs() as usize] {
            let number = event.u64 as usize;
            let mut bytes = [0; 64];
            loop {
                match sys::read(readers[number], &mut bytes) {
                    Ok(0) => {
                        open -= 1;
                        sys::close(readers[number])?;
                        break;
                    }
                    Ok(count) => counts[number] += count,
                    Err(sys::Errno(libc::EAGAIN)) => break,
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }
    Ok(counts)
}

/// Sleeps and waits that are never too short.
pub fn timers() -> Found {
    let early = thread::scope(|scope| {
        let sleepers: Vec<_> = (1..5)
            .map(|ms| {
                scope.spawn(move || {
                    let (begin, time) = (Instant::now(), Duration::from_millis(ms));
                    (0..3).for_each(|_| thread::sleep(time));
                    begin.elapsed() < time * 3
                })
            })
            .collect();
        let ends = sleepers.into_iter().map(|sleeper| sleeper.join().unwrap());
        ends.filter(|early| *early).count()
    });
    same("early sleepers", early, 0)?;
    let begin = Instant::now();
    let found = call!(libc::poll(std::ptr::null_mut(), 0, 7))?;
    same("nothing to poll", found, 0)?;
    check(
        "poll took its time",
        begin.elapsed() >= Duration::from_millis(7),
    )
}
