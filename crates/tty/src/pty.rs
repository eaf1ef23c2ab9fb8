//! [`PtyMaster`]: the user's side of a pseudo-terminal.

use crate::ioctl;
use crate::terminals::Terminals;
use crate::tty::{PIECE, Tty};
use alloc::sync::{Arc, Weak};
use core::any::Any;
use paddock_abi::termios::{FIONREAD, TIOCGPTLCK, TIOCGPTN, TIOCSPTLCK, Winsize};
use paddock_abi::{Errno, Result};
use paddock_process::TryRead;
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, Inode, IoctlArg, Metadata};

/// The master of a pseudo-terminal. Dropping it hangs the terminal up and
/// gives its number back.
pub struct PtyMaster {
    tty: Arc<Tty>,
    terminals: Weak<Terminals>,
    inode: Option<Arc<dyn Inode>>,
}

impl PtyMaster {
    pub(crate) fn new(
        tty: Arc<Tty>,
        terminals: Weak<Terminals>,
        inode: Option<Arc<dyn Inode>>,
    ) -> PtyMaster {
        PtyMaster {
            tty,
            terminals,
            inode,
        }
    }

    /// The terminal.
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// The number under `/dev/pts`.
    pub fn number(&self) -> u32 {
        self.tty.number
    }

    /// Lets the terminal be opened (unlockpt(3)).
    pub fn unlock(&self) {
        self.tty.state.lock().locked = false;
    }

    /// Reads what the programs printed; `Eof` once all have closed the
    /// terminal, after at least one had opened it. Never sleeps.
    pub fn try_read(&self, buf: &mut [u8]) -> TryRead {
        let mut state = self.tty.state.lock();
        let ended = state.ever_opened && state.openings == 0;
        let count = match state.discipline.stopped() {
            true => 0,
            false => state.out.pop(buf),
        };
        drop(state);
        match count {
            0 if buf.is_empty() => TryRead::Data(0),
            0 if ended => TryRead::Eof,
            0 => TryRead::Pending,
            _ => {
                self.tty.changed.wake_all();
                TryRead::Data(count)
            }
        }
    }

    /// Types; how many bytes there was room for. Never sleeps. `EAGAIN`.
    pub fn try_write(&self, bytes: &[u8]) -> Result<usize> {
        match self.tty.receive(bytes) {
            0 if !bytes.is_empty() => Err(Errno::EAGAIN),
            taken => Ok(taken),
        }
    }

    /// Changes the size of the window. Never sleeps.
    pub fn set_winsize(&self, winsize: Winsize) {
        self.tty.set_winsize(winsize);
    }
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        self.tty.hang_up();
        if let Some(terminals) = self.terminals.upgrade() {
            terminals.forget_pty(&self.tty);
        }
    }
}

impl Pollable for PtyMaster {
    fn ready(&self) -> Ready {
        let state = self.tty.state.lock();
        let ended = state.ever_opened && state.openings == 0;
        let mut ready = Ready::empty();
        ready.set(
            Ready::IN,
            !state.out.is_empty() && !state.discipline.stopped(),
        );
        ready.set(Ready::HUP, ended);
        ready.set(Ready::OUT, state.discipline.room() > 0);
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.tty.changed)
    }
}

impl File for PtyMaster {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        to.with_buffer(PIECE, |buffer| match self.try_read(buffer) {
            TryRead::Data(count) => Ok(count),
            TryRead::Eof => Err(Errno::EIO),
            TryRead::Pending => Err(Errno::EAGAIN),
        })
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        from.with_bytes(PIECE, |bytes| self.try_write(bytes))
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            TIOCGPTN => arg.write_i32(self.tty.number as i32)?,
            TIOCSPTLCK => {
                let locked = arg.read_i32()? != 0;
                self.tty.state.lock().locked = locked;
            }
            TIOCGPTLCK => {
                let locked = self.tty.state.lock().locked;
                arg.write_i32(i32::from(locked))?;
            }
            FIONREAD => {
                let count = self.tty.state.lock().out.len();
                arg.write_i32(count as i32)?;
            }
            _ => return ioctl::common(&self.tty, cmd, arg),
        }
        Ok(0)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.as_ref().ok_or(Errno::EINVAL)?.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        self.inode.as_ref()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
