//! Requests that name a file.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{self as unix, DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::attributes::Attributes;
use crate::handles::Handle;
use crate::open::attributes;
use crate::server::{Outcome, Reply, Server};
use crate::status::{Code, Status};
use crate::wire::{Put, Reader};

impl Server {
    /// SSH_FXP_STAT, or SSH_FXP_LSTAT which does not follow.
    pub(crate) fn stat(&mut self, reader: &mut Reader<'_>, follow: bool) -> Outcome {
        let path = reader.path()?;
        let metadata = match follow {
            true => fs::metadata(path)?,
            false => fs::symlink_metadata(path)?,
        };
        Ok(attributes(&metadata))
    }

    /// SSH_FXP_SETSTAT, or the same of a link itself.
    pub(crate) fn set(&mut self, reader: &mut Reader<'_>, follow: bool) -> Outcome {
        let path = reader.path()?;
        let change = Attributes::read(reader)?;
        self.may_change()?;
        set_path(&path, &change, follow)?;
        Ok(Reply::Done)
    }

    pub(crate) fn set_handle(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let name = reader.string()?;
        let change = Attributes::read(reader)?;
        self.may_change()?;
        let file = match self.handles.get(name)? {
            Handle::Folder { path, .. } => {
                set_path(path, &change, true)?;
                return Ok(Reply::Done);
            }
            Handle::File { file, .. } => file,
        };
        all([
            change
                .size
                .map(|size| file.set_len(size).map_err(Status::from)),
            change
                .owner
                .map(|(uid, gid)| unix::fchown(&*file, Some(uid), Some(gid)).map_err(Status::from)),
            change.mode.map(|mode| {
                let mode = fs::Permissions::from_mode(mode & 0o7777);
                file.set_permissions(mode).map_err(Status::from)
            }),
            change
                .times
                .map(|times| Ok(rustix::fs::futimens(&*file, &timestamps(times))?)),
        ])?;
        Ok(Reply::Done)
    }

    pub(crate) fn remove(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let path = reader.path()?;
        self.may_change()?;
        fs::remove_file(path)?;
        Ok(Reply::Done)
    }

    pub(crate) fn make_folder(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let path = reader.path()?;
        let mode = Attributes::read(reader)?.mode.unwrap_or(0o777);
        self.may_change()?;
        fs::DirBuilder::new().mode(mode & 0o777).create(path)?;
        Ok(Reply::Done)
    }

    pub(crate) fn remove_folder(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let path = reader.path()?;
        self.may_change()?;
        fs::remove_dir(path)?;
        Ok(Reply::Done)
    }

    /// SSH_FXP_RENAME, which overwrites nothing.
    pub(crate) fn rename(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let (from, to) = (reader.path()?, reader.path()?);
        self.may_change()?;
        match rustix::fs::renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE) {
            // Not of this filesystem or kernel: look before.
            Err(Errno::INVAL | Errno::NOSYS) if fs::symlink_metadata(&to).is_ok() => {
                return Err(Errno::EXIST.into());
            }
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to)?,
            other => other?,
        }
        Ok(Reply::Done)
    }

    pub(crate) fn read_link(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let target = fs::read_link(reader.path()?)?;
        Ok(one_name(target.as_os_str().as_bytes()))
    }

    /// SSH_FXP_SYMLINK with its arguments as OpenSSH has them: the target
    /// first.
    pub(crate) fn make_link(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let (target, path) = (reader.path()?, reader.path()?);
        self.may_change()?;
        unix::symlink(target, path)?;
        Ok(Reply::Done)
    }
}

/// An answer with a name that nothing is known of.
pub(crate) fn one_name(name: &[u8]) -> Reply {
    let mut body = Vec::new();
    body.put_u32(1);
    body.put_string(name);
    body.put_string(name);
    Attributes::default().write(&mut body);
    Reply::Names(body)
}

/// Does all that is there, and gives the first failure.
fn all<const N: usize>(changes: [Option<Result<(), Status>>; N]) -> Result<(), Status> {
    changes.into_iter().flatten().fold(Ok(()), Result::and)
}

fn set_path(path: &Path, change: &Attributes, follow: bool) -> Result<(), Status> {
    let flags = match follow {
        true => AtFlags::empty(),
        false => AtFlags::SYMLINK_NOFOLLOW,
    };
    all([
        change.size.map(|size| match follow {
            true => {
                let file = fs::OpenOptions::new().write(true).open(path)?;
                Ok(file.set_len(size)?)
            }
            false => Err(Status::new(Code::BadMessage, "A link has no size to set")),
        }),
        change.owner.map(|(uid, gid)| {
            let change = match follow {
                true => unix::chown::<&Path>,
                false => unix::lchown::<&Path>,
            };
            Ok(change(path, Some(uid), Some(gid))?)
        }),
        change.mode.map(|mode| {
            let mode = Mode::from_bits_truncate(mode & 0o7777);
            Ok(rustix::fs::chmodat(CWD, path, mode, flags)?)
        }),
        change.times.map(|times| {
            let times = timestamps(times);
            Ok(rustix::fs::utimensat(CWD, path, &times, flags)?)
        }),
    ])
}

fn timestamps((atime, mtime): (u32, u32)) -> Timestamps {
    let time = |seconds: u32| Timespec {
        tv_sec: seconds.into(),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time(atime),
        last_modification: time(mtime),
    }
}
