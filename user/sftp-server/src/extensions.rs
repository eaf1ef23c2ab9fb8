//! SSH_FXP_EXTENDED: what OpenSSH's clients ask for beyond the protocol.

use std::fs;

use rustix::fs::{StatVfs, StatVfsMountFlags};

use crate::handles::Handle;
use crate::server::{MAX_DATA, MAX_MESSAGE, Outcome, Reply, Server};
use crate::status::{Code, Status};
use crate::wire::{Put, Reader};

/// The extensions and their versions, as the first answer offers them.
pub const OFFERED: [(&str, &str); 11] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("home-directory", "1"),
    ("users-groups-by-id@openssh.com", "1"),
];

impl Server {
    pub(crate) fn extended(&mut self, reader: &mut Reader<'_>) -> Outcome {
        match reader.string()? {
            b"posix-rename@openssh.com" => {
                let (from, to) = (reader.path()?, reader.path()?);
                self.may_change()?;
                fs::rename(from, to)?;
                Ok(Reply::Done)
            }
            b"hardlink@openssh.com" => {
                let (from, to) = (reader.path()?, reader.path()?);
                self.may_change()?;
                fs::hard_link(from, to)?;
                Ok(Reply::Done)
            }
            b"statvfs@openssh.com" => Ok(statvfs(&rustix::fs::statvfs(reader.path()?)?)),
            b"fstatvfs@openssh.com" => {
                let found = match self.handles.get(reader.string()?)? {
                    Handle::File { file, .. } => rustix::fs::fstatvfs(&*file)?,
                    Handle::Folder { path, .. } => rustix::fs::statvfs(&**path)?,
                };
                Ok(statvfs(&found))
            }
            b"fsync@openssh.com" => {
                let (file, _) = self.handles.file(reader.string()?)?;
                file.sync_all()?;
                Ok(Reply::Done)
            }
            b"lsetstat@openssh.com" => self.set(reader, false),
            b"limits@openssh.com" => Ok(self.limits()),
            b"expand-path@openssh.com" => self.expand_path(reader),
            b"copy-data" => self.copy_data(reader),
            b"home-directory" => self.home_directory(reader),
            b"users-groups-by-id@openssh.com" => self.users_and_groups(reader),
            _ => Err(Status::new(Code::Unsupported, "Unknown extension")),
        }
    }

    fn limits(&self) -> Reply {
        let mut body = Vec::new();
        body.put_u64(MAX_MESSAGE as u64);
        body.put_u64(MAX_DATA as u64);
        body.put_u64(MAX_DATA as u64);
        body.put_u64(self.handles.most() as u64);
        Reply::Extended(body)
    }

    /// Names of users, then of groups; an empty one for each that has none.
    fn users_and_groups(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        let mut numbers = Reader::new(reader.string()?);
        while !numbers.is_empty() {
            let name = self.names.user(numbers.u32()?);
            users.put_string(name.unwrap_or_default());
        }
        let mut numbers = Reader::new(reader.string()?);
        while !numbers.is_empty() {
            let name = self.names.group(numbers.u32()?);
            groups.put_string(name.unwrap_or_default());
        }
        if users.len() + groups.len() > MAX_DATA {
            return Err(Status::new(Code::Failure, "Too many numbers at once"));
        }
        let mut body = Vec::new();
        body.put_string(&users);
        body.put_string(&groups);
        Ok(Reply::Extended(body))
    }
}

const READ_ONLY: u64 = 1;
const NO_SUID: u64 = 2;

fn statvfs(found: &StatVfs) -> Reply {
    let flag = |there, flag| if there { flag } else { 0 };
    let flags = found.f_flag;
    let mut body = Vec::new();
    for number in [
        found.f_bsize,
        found.f_frsize,
        found.f_blocks,
        found.f_bfree,
        found.f_bavail,
        found.f_files,
        found.f_ffree,
        found.f_favail,
        found.f_fsid,
        flag(flags.contains(StatVfsMountFlags::RDONLY), READ_ONLY)
            | flag(flags.contains(StatVfsMountFlags::NOSUID), NO_SUID),
        found.f_namemax,
    ] {
        body.put_u64(number);
    }
    Reply::Extended(body)
}
