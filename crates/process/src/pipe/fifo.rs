//! Fifos: pipes with a name (fifo(7)).

use super::{Payer, Pipe, PipeReader, PipeWriter};
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, Ready, WaitQueue, try_arc};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, IoctlArg, Metadata, OpenFlags};

/// What stands behind a fifo's inode for as long as anyone has it open.
pub struct Fifo(Arc<Pipe>);

impl Fifo {
    /// A fifo that nobody has open. `ENOMEM`.
    pub fn new(payer: &Payer<'_>) -> Result<Fifo> {
        Ok(Fifo(try_arc(Pipe::new(0, 0, payer)?)?))
    }

    /// One more opening. `ENXIO` if it is for writing only, `NONBLOCK`, and
    /// nobody reads. The caller then waits with [`FifoEnd::partner_came`].
    pub fn open(&self, flags: OpenFlags, metadata: Metadata) -> Result<FifoEnd> {
        let (reading, writing) = (flags.readable(), flags.writable());
        let mut state = self.0.state.lock();
        if writing && !reading && flags.contains(OpenFlags::NONBLOCK) && state.readers == 0 {
            return Err(Errno::ENXIO);
        }
        state.readers += usize::from(reading);
        state.writers += usize::from(writing);
        state.reader_openings += u64::from(reading);
        state.writer_openings += u64::from(writing);
        let partner_at = if reading {
            state.writer_openings
        } else {
            state.reader_openings
        };
        let partnered = match (reading, writing) {
            (true, false) => state.writers > 0,
            (false, true) => state.readers > 0,
            _ => true,
        };
        drop(state);
        self.0.changed.wake_all();
        let pipe = self.0.clone();
        Ok(FifoEnd {
            pipe,
            reading,
            writing,
            partner_at,
            partnered,
            metadata,
            packets: AtomicBool::new(false),
        })
    }
}

/// Opens the pipe of one of its ends once more, as `/proc/PID/fd/N` does: never waits, and
/// needs nobody at the other end. `None` for what is no pipe.
pub fn reopen(end: &dyn File, flags: OpenFlags, metadata: Metadata) -> Option<FifoEnd> {
    let any = end.as_any();
    let pipe = match (
        any.downcast_ref::<PipeReader>(),
        any.downcast_ref::<PipeWriter>(),
    ) {
        (Some(reader), _) => &reader.0,
        (None, Some(writer)) => &writer.pipe,
        (None, None) => return None,
    };
    let (reading, writing) = (flags.readable(), flags.writable());
    let mut state = pipe.state.lock();
    state.readers += usize::from(reading);
    state.writers += usize::from(writing);
    drop(state);
    pipe.changed.wake_all();
    Some(FifoEnd {
        pipe: pipe.clone(),
        reading,
        writing,
        partner_at: 0,
        partnered: true,
        metadata,
        packets: AtomicBool::new(flags.contains(OpenFlags::DIRECT)),
    })
}

/// One opening of a fifo.
pub struct FifoEnd {
    pub(super) pipe: Arc<Pipe>,
    reading: bool,
    writing: bool,
    partner_at: u64,
    partnered: bool,
    metadata: Metadata,
    /// Whether each write is a packet (`O_DIRECT`).
    packets: AtomicBool,
}

impl FifoEnd {
    /// Whether somebody has opened the other end since this opening, or had
    /// it open then: what open(2) without `O_NONBLOCK` waits for, on the
    /// object's own wait queue. Never sleeps.
    pub fn partner_came(&self) -> bool {
        let state = self.pipe.state.lock();
        let openings = if self.reading {
            state.writer_openings
        } else {
            state.reader_openings
        };
        self.partnered || openings != self.partner_at
    }
}

impl Drop for FifoEnd {
    fn drop(&mut self) {
        self.pipe.close(self.reading, self.writing);
    }
}

impl Pollable for FifoEnd {
    fn ready(&self) -> Ready {
        let mut ready = Ready::empty();
        if self.reading {
            ready |= self.pipe.ready_to_read();
            // Nobody has written yet: that is no hang-up.
            ready.set(
                Ready::HUP,
                ready.contains(Ready::HUP) && self.partner_came(),
            );
        }
        if self.writing {
            ready |= self.pipe.ready_to_write();
        }
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.pipe.changed)
    }
}

impl File for FifoEnd {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        self.pipe.read(to)
    }

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
        Ok(self.metadata)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
