//! What the server needs from the system it runs on.
//!
//! A `poll_` method that returns `Pending` keeps the context's waker and wakes
//! it once the call is worth repeating. None of these methods may block.

use core::future::Future;
use core::task::{Context, Poll};

use super::notice::Notice;
use crate::auth::{AuthRequest, Refusal};
use crate::channel::{ExitStatus, SpawnRequest, WindowSize};
use crate::forward::{Arrival, Bound, ConnectRequest, ListenRequest};
use crate::keys::KeyOptions;

/// A stream or a program's descriptor is broken for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoError;

/// A program could not be started, for a reason fit for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpawnError(pub &'static str);

/// The client's connection.
pub trait ByteStream: Unpin {
    /// Reads at least one byte; 0 is the end.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, IoError>>;

    /// Takes at least one byte.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoError>>;

    /// Sends the end after everything written, and lets go of the stream.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoError>>;
}

/// A running program. Dropping it hangs the program up; that happens only when
/// the connection has ended, or after [`ProcessIo::poll_exit`] was ready.
pub trait ProcessIo: Unpin {
    /// Reads standard output or the terminal; 0 is the end.
    fn poll_stdout(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, IoError>>;

    /// Reads standard error; 0 is the end, which a terminal's program has at once.
    fn poll_stderr(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, IoError>>;

    /// Writes standard input or the terminal; an error says that nobody reads.
    fn poll_stdin(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoError>>;

    /// No more input will come. A terminal stays open for output.
    fn close_stdin(&mut self);

    /// Nobody will read standard output any more: a program that writes to it
    /// gets SIGPIPE. A terminal is lost, and its programs are hung up.
    fn close_stdout(&mut self);

    /// The same for standard error; nothing for a terminal.
    fn close_stderr(&mut self);

    /// The terminal has a new size.
    fn resize(&mut self, size: WindowSize);

    /// Sends a signal, by its name without `SIG`; an unknown one does nothing.
    fn signal(&mut self, name: &str);

    /// Waits for the program's end. Not called again after that.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<ExitStatus>;
}

/// A place where connections for a client are awaited. Dropping it ends that.
pub trait Listener<P>: Unpin {
    /// Where that is.
    fn bound(&self) -> &Bound;

    /// A connection that has come, as [`Backend::connect`] gives one. An error
    /// ends the listening.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<(P, Arrival), IoError>>;
}

/// The system that lets users in and runs their programs.
pub trait Backend: Unpin {
    /// A running program.
    type Process: ProcessIo;
    /// The decision about a key.
    type Authorize: Future<Output = Result<KeyOptions, Refusal>>;
    /// A program being started.
    type Spawn: Future<Output = Result<Self::Process, SpawnError>>;
    /// A place where connections are awaited.
    type Listener: Listener<Self::Process>;
    /// One being made.
    type Listen: Future<Output = Result<Self::Listener, SpawnError>>;
    /// The passing of time.
    type Timer: Future<Output = ()>;

    /// Decides whether a key may log in, and what it may do then. That the client holds the key is
    /// checked by the server, before or after.
    fn authorize(&self, request: &AuthRequest) -> Self::Authorize;

    /// The client has logged in. False if there are too many sessions: the
    /// connection ends then. Must not block.
    fn open_session(&self) -> bool {
        true
    }

    /// Makes a TCP connection, which is a program without standard error that
    /// ends when both directions have.
    fn connect(&self, request: ConnectRequest) -> Self::Spawn;

    /// Has connections awaited on a client's behalf.
    fn listen(&self, request: ListenRequest) -> Self::Listen;

    /// Starts a program.
    fn spawn(&self, request: SpawnRequest) -> Self::Spawn;

    /// Ends after that many milliseconds.
    fn timer(&self, milliseconds: u64) -> Self::Timer;

    /// Is told of what happens. Must not block.
    fn note(&self, notice: &Notice<'_>) {
        let _ = notice;
    }
}
