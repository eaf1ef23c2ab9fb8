//! TCP and UDP sockets as files.

use crate::tcp::TcpSocket;
use crate::udp::UdpSocket;
use core::any::Any;
use paddock_abi::termios::FIONREAD;
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_vfs::{File, FileKind, IoctlArg, Metadata, Timestamp};

/// What fstat(2) tells of a socket.
fn metadata(ino: u64) -> Metadata {
    let never = Timestamp::default();
    Metadata {
        device: 8,
        ino,
        kind: FileKind::Socket,
        mode: 0o777,
        links: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        size: 0,
        blocks: 0,
        block_size: 4096,
        atime: never,
        mtime: never,
        ctime: never,
    }
}

fn tell_unread(cmd: u32, arg: &mut dyn IoctlArg, unread: impl FnOnce() -> usize) -> Result<u64> {
    match cmd {
        FIONREAD => {
            arg.write_i32(i32::try_from(unread()).unwrap_or(i32::MAX))?;
            Ok(0)
        }
        _ => Err(Errno::ENOTTY),
    }
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
        tell_unread(cmd, arg, || self.unread())
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(metadata(self.ino))
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
        tell_unread(cmd, arg, || self.unread())
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(metadata(self.ino))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
