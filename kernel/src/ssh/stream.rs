//! Connections beside a client's own: those made from here (`ssh -L`, `-W`,
//! `-J`), and those that have come here for it (`-R`, its agent).

use super::watched::Watched;
use crate::net::tcp::TcpSocket;
use alloc::sync::Arc;
use core::task::{Context, Poll};
use paddock_abi::{Errno, Result};
use paddock_ssh::{ExitStatus, IoError, ProcessIo, WindowSize};
use paddock_sync::Pollable;
use paddock_unix_sockets::{Ancillary, UnixSocket};

/// A connected socket that never waits.
pub trait Socket: Pollable {
    /// Reads; 0 is the end. `EAGAIN`.
    fn take(&self, buffer: &mut [u8]) -> Result<usize>;
    /// Writes. `EAGAIN`.
    fn give(&self, bytes: &[u8]) -> Result<usize>;
    /// Nothing more will be written.
    fn end(&self);
}

impl Socket for TcpSocket {
    fn take(&self, buffer: &mut [u8]) -> Result<usize> {
        self.receive(buffer)
    }

    fn give(&self, bytes: &[u8]) -> Result<usize> {
        self.send(bytes)
    }

    fn end(&self) {
        // One that has failed meanwhile has ended anyway.
        let _ = self.shutdown(false, true);
    }
}

impl Socket for UnixSocket {
    fn take(&self, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.receive(buffer, false)?.count)
    }

    fn give(&self, bytes: &[u8]) -> Result<usize> {
        self.send(bytes, None, &mut Ancillary::default())
    }

    fn end(&self) {
        self.shutdown(false, true);
    }
}

/// A connection. Dropping it ends it.
pub struct Stream<S: Socket> {
    socket: Watched<S>,
    has_read_all: bool,
    has_written_all: bool,
}

impl<S: Socket> Stream<S> {
    /// Of a socket that is connected.
    pub fn new(socket: Arc<S>) -> Self {
        Stream {
            socket: Watched::new(socket),
            has_read_all: false,
            has_written_all: false,
        }
    }
}

impl<S: Socket> ProcessIo for Stream<S> {
    fn poll_stdout(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        if self.has_read_all {
            return Poll::Ready(Ok(0));
        }
        self.socket.watch(cx.waker());
        match self.socket.object.take(buffer) {
            Ok(count @ 1..) => Poll::Ready(Ok(count)),
            Err(Errno::EAGAIN) => Poll::Pending,
            end => {
                self.has_read_all = true;
                Poll::Ready(end.map_err(|_| IoError))
            }
        }
    }

    fn poll_stderr(
        &mut self,
        _cx: &mut Context<'_>,
        _buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        Poll::Ready(Ok(0))
    }

    fn poll_stdin(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        if self.has_written_all {
            return Poll::Ready(Err(IoError));
        }
        self.socket.watch(cx.waker());
        match self.socket.object.give(bytes) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(Errno::EAGAIN) => Poll::Pending,
            Err(_) => {
                self.has_written_all = true;
                Poll::Ready(Err(IoError))
            }
        }
    }

    fn close_stdin(&mut self) {
        self.has_written_all = true;
        self.socket.object.end();
    }

    fn close_stdout(&mut self) {
        self.has_read_all = true;
    }

    fn close_stderr(&mut self) {}

    fn resize(&mut self, _size: WindowSize) {}

    fn signal(&mut self, _name: &str) {}

    fn poll_exit(&mut self, _cx: &mut Context<'_>) -> Poll<ExitStatus> {
        match self.has_read_all && self.has_written_all {
            true => Poll::Ready(ExitStatus::Closed),
            // What changes this is done by the caller.
            false => Poll::Pending,
        }
    }
}
