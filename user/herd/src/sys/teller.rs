//! What services tell of themselves: by a pipe, or by messages as of
//! `sd_notify(3)`.

use std::fs;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// By what an instance tells of itself. Listening does not wait.
pub(crate) enum Teller {
    /// A line on it means that it is ready.
    Pipe(PipeReader),
    /// It is sent messages.
    Socket(UnixDatagram),
}

/// A socket at `path`, for `owner` and herd alone. What the last instance
/// sent is not in it.
///
/// # Errors
/// Those of the file system and of `bind(2)`.
pub(crate) fn notify_socket(path: &Path, owner: Option<(u32, u32)>) -> io::Result<UnixDatagram> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let socket = UnixDatagram::bind(path)?;
    socket.set_nonblocking(true)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    if let Some((user, group)) = owner {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(socket)
}

impl Teller {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Teller::Pipe(pipe) => pipe.as_fd(),
            Teller::Socket(socket) => socket.as_fd(),
        }
    }
}

/// What an instance has told since it was last listened to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) is_ready: bool,
    pub(crate) lives: bool,
    pub(crate) has_ended: bool,
}

impl Teller {
    /// What has come since the last call.
    pub(crate) fn listen(&mut self) -> Told {
        let mut told = Told::default();
        let mut bytes = [0; 4096];
        // A few are enough for one turn.
        for _ in 0..16 {
            let read = match self {
                Teller::Pipe(pipe) => pipe.read(&mut bytes),
                Teller::Socket(socket) => socket.recv(&mut bytes),
            };
            let count = match read {
                Ok(0) if matches!(self, Teller::Pipe(_)) => {
                    told.has_ended = true;
                    return told;
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return told,
            };
            let text = bytes.get(..count).unwrap_or_default();
            match self {
                Teller::Pipe(_) => told.is_ready |= text.contains(&b'\n'),
                Teller::Socket(_) => told.hear(text),
            }
        }
        told
    }
}

impl Told {
    fn hear(&mut self, message: &[u8]) {
        for line in message.split(|byte| *byte == b'\n') {
            self.is_ready |= line == b"READY=1";
            self.lives |= line == b"WATCHDOG=1";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_heard_line_by_line() {
        let mut told = Told::default();
        told.hear(b"STATUS=READY=1\nX=1");
        assert_eq!(told, Told::default());
        told.hear(b"STATUS=x\nWATCHDOG=1\n");
        assert!(told.lives && !told.is_ready);
        told.hear(b"READY=1");
        assert!(told.is_ready);
    }
}
