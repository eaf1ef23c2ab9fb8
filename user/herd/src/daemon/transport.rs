//! How commands reach the daemon: a Unix stream socket. Everything else only
//! knows [`Listener`] and [`Stream`].

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::sys::set_nonblocking;

/// A connection; neither reading nor writing waits.
pub(crate) trait Stream: Read + Write {
    fn fd(&self) -> BorrowedFd<'_>;
}

impl Stream for UnixStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// Where connections come from; accepting does not wait.
pub(crate) trait Listener {
    fn fd(&self) -> BorrowedFd<'_>;
    /// The next connection; `None` if nobody is waiting.
    fn accept(&self) -> io::Result<Option<Box<dyn Stream>>>;
}

impl Listener for UnixListener {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn accept(&self) -> io::Result<Option<Box<dyn Stream>>> {
        match UnixListener::accept(self) {
            Ok((stream, _)) => {
                set_nonblocking(stream.as_fd())?;
                Ok(Some(Box::new(stream)))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Listens at `path`, for this user only. A socket that is there is replaced:
/// whoever holds herd's lock is the only one to listen.
///
/// # Errors
/// Those of the file system and of `bind(2)`.
pub(crate) fn listen(path: &Path) -> io::Result<Box<dyn Listener>> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // The folder is root's; this narrows the socket as well.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    set_nonblocking(listener.as_fd())?;
    Ok(Box::new(listener))
}
