//! Signals to herd, as something that `poll` can wait for, and from herd.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::descriptors::set_nonblocking;
use super::raw;
use crate::config::Signal;

/// Catches signals for the rest of the program's life. Only one may exist.
pub(crate) struct Signals {
    reader: PipeReader,
    /// Kept open, as the handler writes to it.
    _writer: PipeWriter,
}

impl Signals {
    pub(crate) const HUP: i32 = libc::SIGHUP;
    pub(crate) const INT: i32 = libc::SIGINT;
    pub(crate) const TERM: i32 = libc::SIGTERM;
    pub(crate) const USR1: i32 = libc::SIGUSR1;
    pub(crate) const USR2: i32 = libc::SIGUSR2;
    pub(crate) const CHLD: i32 = libc::SIGCHLD;

    pub(crate) fn catch(signals: &[i32]) -> io::Result<Signals> {
        let (reader, writer) = io::pipe()?;
        set_nonblocking(reader.as_fd())?;
        set_nonblocking(writer.as_fd())?;
        raw::catch(signals, writer.as_raw_fd())?;
        Ok(Signals {
            reader,
            _writer: writer,
        })
    }

    /// What becomes readable when a signal arrives.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// The signals that arrived since the last call, each once.
    pub(crate) fn take(&mut self) -> Vec<i32> {
        // Empty the pipe first: a signal in between then wakes us once too
        // often rather than once too seldom.
        let mut bytes = [0; 64];
        while matches!(self.reader.read(&mut bytes), Ok(n) if n == bytes.len()) {}
        let pending = raw::take_pending();
        (0..32)
            .filter(|signal| pending & (1 << signal) != 0)
            .collect()
    }
}

/// Sends `signal` to every process of the group that `pid` leads.
///
/// # Errors
/// Those of `kill(2)`; ESRCH if the group has no process any more.
pub(crate) fn signal_group(pid: u32, signal: Signal) -> io::Result<()> {
    match i32::try_from(pid) {
        // 0 and 1 would reach herd itself or everyone.
        Ok(pid) if pid > 1 => raw::kill(-pid, signal.0),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Sends `signal` to the process `pid` alone.
///
/// # Errors
/// Those of `kill(2)`.
pub(crate) fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    match i32::try_from(pid) {
        Ok(pid) if pid > 1 => raw::kill(pid, signal.0),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Sends `signal` to every process but process 1. Only for process 1.
pub(crate) fn signal_everyone(signal: Signal) {
    // ESRCH: there is nobody else, which is as good.
    let _ = raw::kill(-1, signal.0);
}
