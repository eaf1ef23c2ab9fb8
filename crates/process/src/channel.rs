//! The output channel of a process that the kernel itself runs: what it
//! wrote, and how it ended.

use crate::ring::{Ring, TryRead};
use crate::status::WaitStatus;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::task::Waker;
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, Registration, SpinLock, WaitQueue, try_arc};
use paddock_user_io::{Pass, UserReader};
use paddock_vfs::{File, FileKind, Metadata, PIPE_DEVICE};

const CHANNEL_SIZE: usize = 65536;

struct State {
    ring: Ring,
    writer_open: bool,
    reader_open: bool,
    exit: Option<WaitStatus>,
}

/// What both ends share.
pub struct OutputChannel {
    state: SpinLock<State, PreemptOff>,
    changed: WaitQueue,
}

/// The kernel's end.
pub struct ChannelReader(Arc<OutputChannel>);

/// The process's end: a file for its standard output and error.
pub struct ChannelWriter(Arc<OutputChannel>);

/// A new channel. `ENOMEM`.
pub fn channel() -> Result<(ChannelReader, Arc<ChannelWriter>)> {
    let state = State {
        ring: Ring::new(CHANNEL_SIZE),
        writer_open: true,
        reader_open: true,
        exit: None,
    };
    let shared = try_arc(OutputChannel {
        state: SpinLock::new(Rank::Pipe, state),
        changed: WaitQueue::new(),
    })?;
    let reader = ChannelReader(shared.clone());
    Ok((reader, try_arc(ChannelWriter(shared))?))
}

impl OutputChannel {
    /// Says how the process ended; only the first call counts. Any context.
    pub fn set_exit(&self, status: WaitStatus) {
        self.state.lock().exit.get_or_insert(status);
        self.changed.wake_all();
    }
}

impl ChannelReader {
    /// What both ends share, for the one who notices the exit.
    pub fn shared(&self) -> Arc<OutputChannel> {
        self.0.clone()
    }

    /// Reads what is there: [`TryRead::Pending`] when nothing is, and
    /// [`TryRead::Eof`] when nothing will come. Never sleeps.
    pub fn try_read(&self, buf: &mut [u8]) -> TryRead {
        let mut state = self.0.state.lock();
        let count = state.ring.pop(buf);
        let open = state.writer_open;
        drop(state);
        match count {
            0 if !open => TryRead::Eof,
            0 => TryRead::Pending,
            _ => {
                self.0.changed.wake_all();
                TryRead::Data(count)
            }
        }
    }

    /// Drains all that is left. `ENOMEM` leaves the rest in place.
    pub fn read_all(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut chunk = [0; 512];
        loop {
            all.try_reserve(chunk.len()).map_err(|_| Errno::ENOMEM)?;
            match self.try_read(&mut chunk) {
                TryRead::Data(count) => all.extend_from_slice(&chunk[..count]),
                TryRead::Pending | TryRead::Eof => return Ok(all),
            }
        }
    }

    /// Whether the process has ended.
    pub fn has_exited(&self) -> bool {
        self.0.state.lock().exit.is_some()
    }

    /// How the process ended.
    pub fn exit_status(&self) -> Option<WaitStatus> {
        self.0.state.lock().exit
    }

    /// The exit code as a shell gives it, once the process has ended.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_status().map(WaitStatus::shell_code)
    }

    /// Has `waker` woken once at the next change, as long as the result
    /// lives. `ENOMEM`.
    pub fn register(&self, waker: &Waker) -> Result<Registration<'_>> {
        self.0.changed.register(waker)
    }
}

impl Drop for ChannelReader {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.reader_open = false;
        state.ring.clear();
        drop(state);
        self.0.changed.wake_all();
    }
}

impl ChannelWriter {
    /// Moves what fits, and is not missing. Never sleeps. `EPIPE`, `EAGAIN`, `ENOMEM`.
    fn try_write(&self, from: &mut UserReader<'_>) -> Result<Pass> {
        let mut state = self.0.state.lock();
        if !state.reader_open {
            return Err(Errno::EPIPE);
        }
        if state.ring.room() == 0 && !from.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let wanted = state.ring.make_room(from.left())?;
        let moved = state.ring.push_from(from, wanted);
        drop(state);
        self.0.changed.wake_all();
        Ok(Pass { moved, wanted })
    }
}

impl Drop for ChannelWriter {
    fn drop(&mut self) {
        self.0.state.lock().writer_open = false;
        self.0.changed.wake_all();
    }
}

impl Pollable for ChannelReader {
    fn ready(&self) -> Ready {
        let state = self.0.state.lock();
        let mut ready = Ready::empty();
        ready.set(Ready::IN, !state.ring.is_empty());
        ready.set(Ready::HUP, !state.writer_open || state.exit.is_some());
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.changed)
    }
}

impl Pollable for ChannelWriter {
    fn ready(&self) -> Ready {
        let state = self.0.state.lock();
        let mut ready = Ready::empty();
        ready.set(Ready::OUT, state.ring.room() > 0);
        ready.set(Ready::ERR, !state.reader_open);
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.changed)
    }
}

impl File for ChannelWriter {
    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        from.in_passes(|from| self.try_write(from))
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::nameless(PIPE_DEVICE, 0, FileKind::Fifo, 0o200))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Count(AtomicU32);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn empty_pending_and_end_are_three_things() {
        let (reader, writer) = channel().unwrap();
        let mut buf = [0; 8];
        assert_eq!(reader.try_read(&mut buf), TryRead::Pending);
        writer.write(&mut 0, &mut b"out".into()).unwrap();
        assert_eq!(reader.try_read(&mut buf), TryRead::Data(3));
        drop(writer);
        assert_eq!(reader.try_read(&mut buf), TryRead::Eof);
    }

    #[test]
    fn an_exit_wakes_and_the_rest_is_drained() {
        let (reader, writer) = channel().unwrap();
        let count = Arc::new(Count(AtomicU32::new(0)));
        let waker = Waker::from(count.clone());
        let registration = reader.register(&waker).unwrap();
        writer.write(&mut 0, &mut (&[7; 1000]).into()).unwrap();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        registration.renew(&waker);
        reader.shared().set_exit(WaitStatus::Signaled {
            signal: 9,
            core: false,
        });
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        assert!(reader.has_exited());
        assert_eq!(reader.exit_code(), Some(137));
        assert_eq!(reader.read_all().unwrap(), [7; 1000]);
    }

    #[test]
    fn a_full_channel_pushes_back() {
        let (reader, writer) = channel().unwrap();
        assert_eq!(
            writer.write(&mut 0, &mut (&[0; CHANNEL_SIZE + 1]).into()),
            Ok(CHANNEL_SIZE)
        );
        assert_eq!(writer.write(&mut 0, &mut b"x".into()), Err(Errno::EAGAIN));
        drop(reader);
        assert_eq!(writer.write(&mut 0, &mut b"x".into()), Err(Errno::EPIPE));
    }
}
