//! What is at the other end of a client's channel.

use super::child::Child;
use super::monitor::System;
use super::stream::Stream;
use crate::net::tcp::TcpSocket;
use alloc::boxed::Box;
use core::task::{Context, Poll};
use paddock_ssh::monitor::Monitor;
use paddock_ssh::{ExitStatus, IoError, ProcessIo, WindowSize};
use paddock_unix_sockets::UnixSocket;

/// A program, or a connection to elsewhere.
pub enum Served {
    /// A program.
    Child(Child),
    /// A TCP connection.
    Tcp(Stream<TcpSocket>),
    /// A local one.
    Local(Stream<UnixSocket>),
    /// The monitor.
    Monitor(Box<Monitor<System>>),
}

impl Served {
    fn io(&mut self) -> &mut dyn ProcessIo {
        match self {
            Served::Child(child) => child,
            Served::Tcp(stream) => stream,
            Served::Local(stream) => stream,
            Served::Monitor(monitor) => &mut **monitor,
        }
    }
}

type Transfer = Poll<Result<usize, IoError>>;

impl ProcessIo for Served {
    fn poll_stdout(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Transfer {
        self.io().poll_stdout(cx, buffer)
    }

    fn poll_stderr(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Transfer {
        self.io().poll_stderr(cx, buffer)
    }

    fn poll_stdin(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Transfer {
        self.io().poll_stdin(cx, bytes)
    }

    fn close_stdin(&mut self) {
        self.io().close_stdin();
    }

    fn close_stdout(&mut self) {
        self.io().close_stdout();
    }

    fn close_stderr(&mut self) {
        self.io().close_stderr();
    }

    fn resize(&mut self, size: WindowSize) {
        self.io().resize(size);
    }

    fn signal(&mut self, name: &str) {
        self.io().signal(name);
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<ExitStatus> {
        self.io().poll_exit(cx)
    }
}
