//! Moving bytes between a pipe and something else without losing any: what
//! splice(2) and tee(2) stand on.

use super::{FifoEnd, PAGE, Payer, Pipe, PipeReader, PipeWriter};
use paddock_abi::{Errno, Result};
use paddock_sync::Ready;
use paddock_vfs::File;

/// An end of a pipe or fifo.
#[derive(Clone, Copy)]
pub struct PipeEnd<'a>(&'a Pipe);

impl<'a> PipeEnd<'a> {
    /// What `file` is, if it is one.
    pub fn of(file: &'a dyn File) -> Option<PipeEnd<'a>> {
        let any = file.as_any();
        let reader = || Some(&*any.downcast_ref::<PipeReader>()?.0);
        let writer = || Some(&*any.downcast_ref::<PipeWriter>()?.pipe);
        let fifo = || Some(&*any.downcast_ref::<FifoEnd>()?.pipe);
        reader().or_else(writer).or_else(fifo).map(PipeEnd)
    }

    /// Whether both are of the same pipe.
    pub fn same_pipe(&self, other: &PipeEnd<'_>) -> bool {
        core::ptr::eq(self.0, other.0)
    }

    /// How many bytes the pipe holds (`F_GETPIPE_SZ`).
    pub fn capacity(&self) -> usize {
        self.0.state.lock().ring.limit()
    }

    /// `F_SETPIPE_SZ` by one who pays for it; the new
    /// capacity. `EBUSY`, `EPERM`.
    pub fn set_capacity(&self, bytes: usize, payer: &Payer<'_>) -> Result<usize> {
        self.0.set_capacity(bytes, payer)
    }

    /// Hands the first bytes, as many as `chunk` has room for, to `give`, and
    /// takes those out that it took. Nobody else reads meanwhile. `None` at the
    /// end; `EAGAIN`; what `give` says.
    pub fn drain(
        &self,
        chunk: &mut [u8],
        give: impl FnOnce(&[u8]) -> Result<usize>,
    ) -> Result<Option<usize>> {
        let mut state = self.0.state.lock();
        if state.drained {
            return Err(Errno::EAGAIN);
        }
        if state.ring.is_empty() {
            return match state.writers {
                0 => Ok(None),
                _ => Err(Errno::EAGAIN),
            };
        }
        let count = state.ring.peek(chunk);
        state.drained = true;
        drop(state);
        let mut draining = Draining {
            pipe: self.0,
            taken: 0,
        };
        draining.taken = give(&chunk[..count])?.min(count);
        Ok(Some(draining.taken))
    }

    /// Has `take` put bytes into `chunk`, at most as many as there is room for
    /// in the pipe, and adds as many as it says. Nobody else writes meanwhile.
    /// `EPIPE`, `EAGAIN`, `ENOMEM`; what `take` says.
    pub fn fill(
        &self,
        chunk: &mut [u8],
        take: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        let mut state = self.0.state.lock();
        if state.readers == 0 {
            return Err(Errno::EPIPE);
        }
        if state.filled || !state.has_room() {
            return Err(Errno::EAGAIN);
        }
        let pages = state.pages.pages();
        let free = pages - state.slots.used();
        let room = chunk.len().min(free * PAGE);
        state.slots.reserve(room, pages)?;
        let room = state.ring.make_room(room)?;
        state.ring.keep(true);
        state.filled = true;
        drop(state);
        let mut filling = Filling {
            pipe: self.0,
            bytes: &[],
        };
        let count = take(&mut chunk[..room])?.min(room);
        filling.bytes = &chunk[..count];
        Ok(count)
    }

    /// Adds what fits of `bytes`. `EPIPE`, `EAGAIN`, `ENOMEM`.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        Ok(self.0.try_write(&mut bytes.into(), false, false)?.moved)
    }

    /// Copies the first bytes, as many as `chunk` has room for, to another pipe.
    /// `None` at the end; `EPIPE`, `EAGAIN`, `ENOMEM`.
    pub fn tee(&self, to: &PipeEnd<'_>, chunk: &mut [u8]) -> Result<Option<usize>> {
        let state = self.0.state.lock();
        if state.ring.is_empty() {
            return match state.writers {
                0 => Ok(None),
                _ => Err(Errno::EAGAIN),
            };
        }
        let count = state.ring.peek(chunk);
        drop(state);
        to.write(&chunk[..count]).map(Some)
    }
}

/// While this is there, the first bytes are somebody's who may take them.
struct Draining<'a> {
    pipe: &'a Pipe,
    /// How many of them go.
    taken: usize,
}

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.consume(self.taken);
        state.drained = false;
        drop(state);
        self.pipe.changed.wake(Ready::IN | Ready::OUT);
    }
}

/// While this is there, the room that was made is somebody's.
struct Filling<'a> {
    pipe: &'a Pipe,
    /// What goes in.
    bytes: &'a [u8],
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        let count = self.bytes.len();
        let added = state.ring.push_from(&mut self.bytes.into(), count);
        debug_assert_eq!(added, count);
        state.slots.add_pages(added, false);
        state.ring.keep(false);
        state.filled = false;
        drop(state);
        self.pipe.changed.wake(Ready::IN | Ready::OUT);
    }
}
