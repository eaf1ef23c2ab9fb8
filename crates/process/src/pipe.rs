//! Pipes and fifos (pipe(7)).

use crate::ring::{Ring, TryRead};
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_abi::termios::FIONREAD;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, PipePages};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_user_io::{Pass, UserReader, UserWriter};
use paddock_vfs::{File, FileKind, IoctlArg, Metadata, OpenFlags, PIPE_DEVICE};
use slots::Slots;

/// Bytes that a pipe holds.
pub const PIPE_SIZE: usize = 65536;
/// A write of no more bytes than this goes in whole or not at all.
pub const PIPE_BUF: usize = 4096;
/// The largest capacity that `F_SETPIPE_SZ` gives.
pub const PIPE_MAX: usize = 1 << 20;

/// Bytes of a page.
const PAGE: usize = slots::PAGE;
/// Pages of a new pipe whose user has more than the soft limit.
const CROWDED_PAGES: usize = 2;

/// Who pays for a pipe's memory.
#[derive(Clone, Copy, Debug)]
pub struct Payer<'a> {
    /// Whose it is.
    pub account: &'a Arc<Account>,
    /// Pages that the user's pipes may come to hold before new ones are small
    /// and none becomes larger (`pipe-user-pages-soft`, pipe(7)).
    pub soft_pages: usize,
    /// The largest capacity that it may give a pipe, and begin with, in bytes.
    pub most: usize,
}

static NEXT_INO: AtomicU64 = AtomicU64::new(1);

/// The bytes under way, and who is at either end.
struct State {
    ring: Ring,
    /// The pages that they are on.
    slots: Slots,
    /// What its limit counts for.
    pages: PipePages,
    readers: usize,
    writers: usize,
    /// The first bytes are a splice's that may take them: nobody else reads.
    drained: bool,
    /// There is room that a splice fills: nobody else writes.
    filled: bool,
    /// Counts openings, so that a fifo's open can wait for "somebody came".
    reader_openings: u64,
    writer_openings: u64,
}

impl State {
    /// Whether a page is free, and with it room for any write.
    fn has_room(&self) -> bool {
        self.slots.used() < self.pages.pages()
    }

    /// Takes the first `count` bytes out, which are there.
    fn consume(&mut self, count: usize) {
        self.ring.consume(count);
        self.slots.consume(count);
    }
}

struct Pipe {
    state: SpinLock<State, PreemptOff>,
    changed: WaitQueue,
    ino: u64,
}

impl Pipe {
    fn new(readers: usize, writers: usize, payer: &Payer<'_>) -> Result<Pipe> {
        let most = PIPE_SIZE.min(payer.most) / PAGE;
        let mut pages = PipePages::new(payer.account, most);
        if pages.of_user() > payer.soft_pages {
            pages.resize(CROWDED_PAGES.min(most));
        }
        let state = State {
            ring: Ring::charged(pages.pages() * PAGE, payer.account)?,
            slots: Slots::default(),
            pages,
            readers,
            writers,
            drained: false,
            filled: false,
            reader_openings: readers as u64,
            writer_openings: writers as u64,
        };
        Ok(Pipe {
            state: SpinLock::new(Rank::Pipe, state),
            changed: WaitQueue::new(),
            ino: NEXT_INO.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Moves what is there and fits, and whose place is not missing. Never sleeps.
    /// `None` at the end; `EAGAIN`.
    fn try_read(&self, to: &mut UserWriter<'_>) -> Result<Option<Pass>> {
        if to.is_full() {
            return Ok(Some(Pass::NOTHING));
        }
        let mut state = self.state.lock();
        if state.drained {
            return Err(Errno::EAGAIN);
        }
        if state.ring.is_empty() {
            return match state.writers {
                0 => Ok(None),
                _ => Err(Errno::EAGAIN),
            };
        }
        let had_room = state.has_room();
        let next = state.slots.next(state.ring.len());
        let wanted = next.most.min(to.left());
        let moved = state.ring.peek_to(to, next.most);
        // A packet whose place is missing in part goes on with the next pass.
        let gone = if moved == wanted {
            next.gone(moved)
        } else {
            moved
        };
        state.consume(gone);
        let has_room = state.has_room();
        drop(state);
        // Whoever waits for room waits for this much at most.
        if has_room && !had_room {
            self.changed.wake(Ready::OUT);
        }
        Ok(Some(Pass { moved, wanted }))
    }

    /// Moves what fits, and is not missing; up to [`PIPE_BUF`] bytes go in together or
    /// not at all, unless they go on with a larger write. Never sleeps. `EAGAIN`, `EPIPE`,
    /// `ENOMEM`.
    fn try_write(&self, from: &mut UserReader<'_>, goes_on: bool, packets: bool) -> Result<Pass> {
        let length = from.left();
        let mut state = self.state.lock();
        if length == 0 {
            return Ok(Pass::NOTHING);
        }
        if state.readers == 0 {
            return Err(Errno::EPIPE);
        }
        let pages = state.pages.pages();
        let room = state.slots.room(length, pages, goes_on);
        if state.filled || room == 0 {
            return Err(Errno::EAGAIN);
        }
        let whole = length <= PIPE_BUF && !goes_on;
        state.slots.reserve(room, pages)?;
        let wanted = state.ring.make_room(room)?;
        debug_assert!(!whole || wanted == length);
        let moved = match whole {
            true => state.ring.push_whole(from, wanted),
            false => state.ring.push_from(from, wanted),
        };
        state.slots.add(moved, length, goes_on, packets);
        drop(state);
        if moved > 0 {
            self.changed.wake(Ready::IN);
        }
        Ok(Pass { moved, wanted })
    }

    fn read(&self, to: &mut UserWriter<'_>) -> Result<usize> {
        to.in_passes(|to| Ok(self.try_read(to)?.unwrap_or(Pass::NOTHING)))
    }

    fn write(&self, from: &mut UserReader<'_>, packets: bool) -> Result<usize> {
        if packets {
            // A page that is missing would end a packet.
            from.fault_in(from.left())?;
        }
        let mut goes_on = false;
        from.in_passes(|from| {
            let pass = self.try_write(from, goes_on, packets)?;
            goes_on |= pass.moved > 0;
            Ok(pass)
        })
    }

    fn ready_to_read(&self) -> Ready {
        let state = self.state.lock();
        let mut ready = Ready::empty();
        ready.set(Ready::IN, !state.ring.is_empty() && !state.drained);
        ready.set(Ready::HUP, state.writers == 0);
        ready
    }

    fn ready_to_write(&self) -> Ready {
        let state = self.state.lock();
        let mut ready = Ready::empty();
        ready.set(Ready::OUT, state.has_room() && !state.filled);
        ready.set(Ready::ERR, state.readers == 0);
        ready
    }

    fn close(&self, reading: bool, writing: bool) {
        let mut state = self.state.lock();
        state.readers -= usize::from(reading);
        state.writers -= usize::from(writing);
        if state.readers == 0 && state.writers == 0 {
            state.ring.clear();
            state.slots.clear();
        }
        drop(state);
        self.changed.wake_all();
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            FIONREAD => {
                let count = self.state.lock().ring.len() as i32;
                arg.write_i32(count)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn metadata(&self) -> Metadata {
        Metadata::nameless(PIPE_DEVICE, self.ino, FileKind::Fifo, 0o600)
    }

    fn set_capacity(&self, bytes: usize, payer: &Payer<'_>) -> Result<usize> {
        /// More is no size of a pipe's, for whomever.
        const MOST: usize = 1 << 31;
        if bytes > MOST {
            return Err(Errno::EINVAL);
        }
        let limit = bytes.max(PIPE_BUF).next_power_of_two();
        let mut state = self.state.lock();
        if state.filled {
            return Err(Errno::EBUSY);
        }
        let (old, pages) = (state.pages.pages(), limit / PAGE);
        if limit > PIPE_MAX || pages > old && limit > payer.most {
            return Err(Errno::EPERM);
        }
        if pages < state.slots.used() {
            return Err(Errno::EBUSY);
        }
        state.pages.resize(pages);
        let too_many = pages > old && state.pages.of_user() > payer.soft_pages;
        let result = match too_many {
            true => Err(Errno::EPERM),
            false => state.ring.set_limit(limit),
        };
        if let Err(error) = result {
            state.pages.resize(old);
            return Err(error);
        }
        drop(state);
        self.changed.wake_all();
        Ok(limit)
    }
}

/// A new pipe: its reading and its writing end. `ENOMEM`.
pub fn pipe(payer: &Payer<'_>) -> Result<(Arc<PipeReader>, Arc<PipeWriter>)> {
    let pipe = try_arc(Pipe::new(1, 1, payer)?)?;
    // An end that cannot be made drops the other, which closes it: no count
    // is ever wrong, since nobody else knows the pipe yet.
    let reader = try_arc(PipeReader(pipe.clone()))?;
    let writer = try_arc(PipeWriter {
        pipe,
        packets: AtomicBool::new(false),
    })?;
    Ok((reader, writer))
}

/// The end that is read.
pub struct PipeReader(Arc<Pipe>);

/// The end that is written.
pub struct PipeWriter {
    pipe: Arc<Pipe>,
    /// Whether each write is a packet (`O_DIRECT`).
    packets: AtomicBool,
}

impl PipeReader {
    /// Reads what is there. Never sleeps.
    pub fn try_read(&self, buf: &mut [u8]) -> TryRead {
        match self.0.try_read(&mut buf.into()) {
            Ok(Some(pass)) => TryRead::Data(pass.moved),
            Ok(None) => TryRead::Eof,
            Err(_) => TryRead::Pending,
        }
    }

    /// Bytes that are waiting.
    pub fn len(&self) -> usize {
        self.0.state.lock().ring.len()
    }

    /// Whether no byte is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PipeWriter {
    /// Writes what fits (all or nothing up to [`PIPE_BUF`]). Never sleeps.
    /// `EAGAIN`, `EPIPE`, `ENOMEM`.
    pub fn try_write(&self, buf: &[u8]) -> Result<usize> {
        let packets = self.packets.load(Ordering::Relaxed);
        let pass = self.pipe.try_write(&mut buf.into(), false, packets);
        pass.map(|pass| pass.moved)
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.0.close(true, false);
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.pipe.close(false, true);
    }
}

impl Pollable for PipeReader {
    fn ready(&self) -> Ready {
        self.0.ready_to_read()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.changed)
    }
}

impl Pollable for PipeWriter {
    fn ready(&self) -> Ready {
        self.pipe.ready_to_write()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.pipe.changed)
    }
}

impl File for PipeReader {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        self.0.read(to)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        self.0.ioctl(cmd, arg)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(self.0.metadata())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl File for PipeWriter {
    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        self.pipe.write(from, self.packets.load(Ordering::Relaxed))
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        self.pipe.ioctl(cmd, arg)
    }

    fn set_flags(&self, flags: OpenFlags) {
        let packets = flags.contains(OpenFlags::DIRECT);
        self.packets.store(packets, Ordering::Relaxed);
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(self.pipe.metadata())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

mod fifo;
mod slots;
mod splice;

pub use splice::PipeEnd;

pub use fifo::{Fifo, FifoEnd, reopen};

#[cfg(test)]
mod tests;
