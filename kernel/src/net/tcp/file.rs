//! TCP sockets as files, as objects that can be waited for, and their end.

use super::{State, TcpSocket};
use core::any::Any;
use paddock_abi::termios::{FIONREAD, TIOCOUTQ};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_unix_sockets::socket_metadata;
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, IoctlArg, Metadata};

impl Pollable for TcpSocket {
    fn ready(&self) -> Ready {
        let inner = self.inner.lock();
        match inner.state {
            State::Fresh => {
                let mut ready = Ready::OUT | Ready::HUP;
                ready.set(Ready::ERR, inner.error.is_some());
                ready
            }
            State::Listening(id) => self.space.with(|stack, _| stack.listener_ready(id)),
            State::Connection(id, _) => self.space.with(|stack, _| stack.ready(id)),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.notifier.queue)
    }
}

impl File for TcpSocket {
    fn read(&self, _pos: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        to.in_passes(|to| self.receive_to(to))
    }

    fn write(&self, _pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        from.in_passes(|from| self.send_from(from))
    }

    fn ioctl(&self, command: u32, argument: &mut dyn IoctlArg) -> Result<u64> {
        let (unread, unsent) = match command {
            FIONREAD | TIOCOUTQ => self.queues()?,
            _ => return Err(Errno::ENOTTY),
        };
        argument.write_i32(if command == FIONREAD { unread } else { unsent } as i32)?;
        Ok(0)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata(self.ino))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        let abort = self.options.linger() == Some(0);
        let inner = self.inner.get_mut();
        let (state, claim) = (inner.state, inner.claim.take());
        if matches!(state, State::Fresh) && claim.is_none() {
            return;
        }
        self.space.with(|stack, now| {
            match state {
                State::Fresh => {}
                State::Listening(id) => stack.close_listener(now, id),
                State::Connection(id, _) => stack.close(now, id, abort),
            }
            if let Some(claim) = claim {
                stack.release(claim);
            }
        });
    }
}
