//! TCP and UDP sockets as files.

use crate::tcp::TcpSocket;
use crate::udp::UdpSocket;
use core::any::Any;
use paddock_abi::termios::{FIONREAD, TIOCOUTQ};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_unix_sockets::socket_metadata;
use paddock_vfs::{File, IoctlArg, Metadata};

/// Answers an ioctl(2) that asks for a count of bytes.
fn tell(arg: &mut dyn IoctlArg, count: usize) -> Result<u64> {
    arg.write_i32(i32::try_from(count).unwrap_or(i32::MAX))?;
    Ok(0)
}

impl Pollable for TcpSocket {
    fn ready(&self) -> Ready {
        self.readiness()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.notifier.queue)
    }
}

impl File for TcpSocket {
    fn read(&self, _pos: &mut u64, buf: &mut [u8]) -> Result<usize> {
        self.receive(buf)
    }

    fn write(&self, _pos: &mut u64, buf: &[u8]) -> Result<usize> {
        self.send(buf)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            FIONREAD => tell(arg, self.queues()?.0),
            TIOCOUTQ => tell(arg, self.queues()?.1),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata(self.ino))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Pollable for UdpSocket {
    fn ready(&self) -> Ready {
        self.readiness()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.notifier.queue)
    }
}

impl File for UdpSocket {
    fn read(&self, _pos: &mut u64, buf: &mut [u8]) -> Result<usize> {
        Ok(self.receive(buf, false)?.count)
    }

    fn write(&self, _pos: &mut u64, buf: &[u8]) -> Result<usize> {
        self.send(buf, None)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            FIONREAD => tell(arg, self.unread()),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata(self.ino))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
