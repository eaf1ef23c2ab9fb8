//! Paths from the root: SSH_FXP_REALPATH and "expand-path@openssh.com".

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::files::one_name;
use crate::server::{Outcome, Server};
use crate::status::{Code, Status};
use crate::wire::Reader;

impl Server {
    pub(crate) fn real_path(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let path = real(&reader.path()?)?;
        Ok(one_name(path.as_os_str().as_bytes()))
    }

    /// The same of a path that may begin with `~` or `~user`.
    pub(crate) fn expand_path(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let path = reader.path()?;
        let expanded = match path.as_os_str().as_bytes().strip_prefix(b"~") {
            None => path,
            Some(rest) => {
                let end = rest.iter().position(|byte| *byte == b'/');
                let (user, below) = rest.split_at(end.unwrap_or(rest.len()));
                let below = below.strip_prefix(b"/").unwrap_or(below);
                home(user)?.join(OsStr::from_bytes(below))
            }
        };
        Ok(one_name(real(&expanded)?.as_os_str().as_bytes()))
    }

    /// "home-directory": a user's.
    pub(crate) fn home_directory(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let home = home(reader.string()?)?;
        Ok(one_name(home.as_os_str().as_bytes()))
    }
}

/// As realpath(3), but the last name need not exist.
fn real(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), path.file_name()) {
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            let folder = match path.parent() {
                Some(folder) if folder != Path::new("") => folder,
                _ => Path::new("."),
            };
            Ok(fs::canonicalize(folder)?.join(name))
        }
        (outcome, _) => outcome,
    }
}

/// A user's home directory; one's own for an empty name.
fn home(user: &[u8]) -> Result<PathBuf, Status> {
    if user.is_empty()
        && let Some(home) = std::env::var_os("HOME")
    {
        return Ok(home.into());
    }
    let uid = rustix::process::getuid().as_raw().to_string();
    let text = fs::read("/etc/passwd")?;
    let wanted = |fields: &[&[u8]]| match user {
        [] => fields[2] == uid.as_bytes(),
        user => fields[0] == user,
    };
    text.split(|byte| *byte == b'\n')
        .map(|line| line.split(|byte| *byte == b':').collect::<Vec<_>>())
        .find(|fields| fields.len() > 5 && wanted(fields))
        .map(|fields| Path::new(OsStr::from_bytes(fields[5])).to_path_buf())
        .ok_or(Status::new(Code::NoSuchFile, "No such user"))
}
