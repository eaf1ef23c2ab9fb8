//! [`TtyFile`]: a terminal as its programs have it open.

use crate::ioctl;
use crate::terminals::Terminals;
use crate::tty::{PIECE, Tty};
use alloc::sync::{Arc, Weak};
use core::any::Any;
use paddock_abi::{Errno, Result};
use paddock_process::TryRead;
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, Inode, IoctlArg, Metadata};

/// An opening of a terminal: the console, or a pseudo-terminal's own side.
pub struct TtyFile {
    tty: Arc<Tty>,
    terminals: Weak<Terminals>,
    inode: Arc<dyn Inode>,
}

impl TtyFile {
    pub(crate) fn new(tty: Arc<Tty>, terminals: Weak<Terminals>, inode: Arc<dyn Inode>) -> TtyFile {
        tty.opened();
        TtyFile {
            tty,
            terminals,
            inode,
        }
    }

    /// The terminal.
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }
}

impl Drop for TtyFile {
    fn drop(&mut self) {
        self.tty.closed();
    }
}

impl Pollable for TtyFile {
    fn ready(&self) -> Ready {
        self.tty.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.tty.changed)
    }
}

impl File for TtyFile {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        to.with_buffer(PIECE, |buffer| match self.tty.read(buffer)? {
            TryRead::Data(count) => Ok(count),
            TryRead::Eof => Ok(0),
            TryRead::Pending => Err(Errno::EAGAIN),
        })
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        from.with_bytes(PIECE, |bytes| self.tty.write(bytes))
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match self.terminals.upgrade() {
            Some(terminals) => ioctl::terminal(&self.tty, &terminals, cmd, arg),
            None => Err(Errno::EIO),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
