//! The options of a mount (mount.fuse3(8), fuse(4)).

use alloc::string::String;
use core::fmt::Write;
use core::str::FromStr;
use paddock_abi::stat::S_IFMT;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cred, IdKind};
use paddock_sync::try_string;
use paddock_vfs::FileKind;

/// What mount(2) was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The descriptor of `/dev/fuse` at whose other end the program is.
    pub descriptor: i32,
    /// The kind of its root.
    pub root: FileKind,
    /// The rights of that.
    pub mode: u32,
    /// Whose the mount is, and for whom it is.
    pub uid: u32,
    /// See `uid`.
    pub gid: u32,
    /// Modes and owners decide, as on other filesystems; not the program.
    pub default_permissions: bool,
    /// It is for everybody.
    pub allow_other: bool,
    /// The most bytes that are read at once; 0 if nothing was said of it.
    pub max_read: u32,
    /// The program, behind a dot after the kind.
    pub subtype: Option<String>,
}

/// What has been said so far.
#[derive(Default)]
struct Said {
    descriptor: Option<i32>,
    rootmode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    default_permissions: bool,
    allow_other: bool,
    max_read: u32,
    subtype: Option<String>,
}

fn number<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Errno::EINVAL)
}

impl Said {
    fn set(&mut self, key: &str, value: Option<&str>, caller: &Cred) -> Result<()> {
        let given = |kind, text| {
            let id = caller.user_namespace.given(kind, number(text)?);
            id.ok_or(Errno::EINVAL)
        };
        match (key, value) {
            ("fd", Some(text)) => self.descriptor = Some(number(text)?),
            ("rootmode", Some(text)) => {
                let mode = u32::from_str_radix(text, 8).map_err(|_| Errno::EINVAL)?;
                FileKind::from_mode(mode)?;
                self.rootmode = Some(mode);
            }
            ("user_id", Some(text)) => self.uid = Some(given(IdKind::User, text)?),
            ("group_id", Some(text)) => self.gid = Some(given(IdKind::Group, text)?),
            ("max_read", Some(text)) => self.max_read = number(text)?,
            ("subtype", Some(text)) if self.subtype.is_none() => {
                self.subtype = Some(try_string(text)?);
            }
            ("default_permissions", None) => self.default_permissions = true,
            ("allow_other", None) => self.allow_other = true,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}

impl Options {
    /// Those of `text`, separated by commas, from a caller who gives ids of its user
    /// namespace.
    ///
    /// # Errors
    /// `EINVAL` for one that is not known, and without those that must be there; `ENOMEM`.
    pub fn parse(text: &str, subtype: Option<&str>, caller: &Cred) -> Result<Options> {
        let mut said = Said {
            subtype: subtype.map(try_string).transpose()?,
            ..Said::default()
        };
        for option in text.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some((key, value)) => said.set(key, Some(value), caller)?,
                None => said.set(option, None, caller)?,
            }
        }
        let mode = said.rootmode.ok_or(Errno::EINVAL)?;
        Ok(Options {
            descriptor: said.descriptor.ok_or(Errno::EINVAL)?,
            root: FileKind::from_mode(mode)?,
            mode: mode & !S_IFMT,
            uid: said.uid.ok_or(Errno::EINVAL)?,
            gid: said.gid.ok_or(Errno::EINVAL)?,
            default_permissions: said.default_permissions,
            allow_other: said.allow_other,
            max_read: said.max_read,
            subtype: said.subtype,
        })
    }

    /// `EINVAL` for an option that [`parse`](Self::parse) would not take.
    pub fn check(key: &str, value: Option<&str>, caller: &Cred) -> Result<()> {
        Said::default().set(key, value, caller)
    }

    /// As `/proc/mounts` shows them, each behind a comma.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn shown(&self) -> Result<String> {
        let mut text = String::new();
        text.try_reserve(128).map_err(|_| Errno::ENOMEM)?;
        // Writing to a string does not fail.
        let _ = write!(text, ",user_id={},group_id={}", self.uid, self.gid);
        if self.default_permissions {
            text.push_str(",default_permissions");
        }
        if self.allow_other {
            text.push_str(",allow_other");
        }
        if self.max_read != 0 {
            let _ = write!(text, ",max_read={}", self.max_read);
        }
        Ok(text)
    }

    /// Whether somebody may use the mount: whose all ids are those of whom it is for, or
    /// everybody where that was said. Whoever else looks at it could be held up, or seen
    /// at what it does, by its program.
    pub fn may_use(&self, cred: &Cred) -> bool {
        let all =
            |ids: &paddock_cred::Ids, id| ids.real == id && ids.effective == id && ids.saved == id;
        self.allow_other || all(&cred.uid, self.uid) && all(&cred.gid, self.gid)
    }
}
