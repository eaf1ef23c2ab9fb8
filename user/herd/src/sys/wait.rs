//! Ends of child processes.

use std::io;

use super::raw;
use crate::config::Signal;
use crate::machine::End;

/// A child that has ended but is not collected yet, so that its number still
/// names it and its process group; `None` if there is none.
///
/// On a system that cannot look without collecting, the child is collected
/// and its end comes with it.
pub(crate) fn next_ended() -> io::Result<Option<(u32, Option<End>)>> {
    match raw::peek_ended() {
        Ok(found) => Ok(found.map(|pid| (pid.unsigned_abs(), None))),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {
            Ok(collect(-1)?.map(|(pid, end)| (pid, Some(end))))
        }
        Err(error) => Err(error),
    }
}

/// Collects the child `pid` that [`next_ended`] told of.
pub(crate) fn reap(pid: u32) -> io::Result<Option<End>> {
    let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(collect(pid)?.map(|(_, end)| end))
}

/// Whether any child is left, running or not. May say so without need on a
/// system that cannot look without collecting.
pub(crate) fn has_children() -> bool {
    match raw::peek_ended() {
        Err(error) => error.raw_os_error() != Some(libc::ECHILD),
        Ok(_) => true,
    }
}

fn collect(pid: i32) -> io::Result<Option<(u32, End)>> {
    loop {
        match raw::wait_for(pid) {
            Ok(Some((pid, status))) => {
                if let Some(end) = end(status) {
                    return Ok(Some((pid.unsigned_abs(), end)));
                }
            }
            Ok(None) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// The end that a wait status tells of, if it is one.
pub(super) fn end(status: i32) -> Option<End> {
    if libc::WIFEXITED(status) {
        Some(End::Exited(libc::WEXITSTATUS(status)))
    } else if libc::WIFSIGNALED(status) {
        Some(End::Killed(Signal(libc::WTERMSIG(status))))
    } else {
        None
    }
}
