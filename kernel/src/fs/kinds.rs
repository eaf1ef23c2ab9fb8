//! The kinds of filesystems that programs can mount.

use paddock_abi::Errno;
use paddock_ext4::Kind as ExtKind;

/// A kind, by its name in mount(2), fsopen(2) and `/proc/filesystems`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new one in memory for each mount.
    Tmpfs,
    /// The control groups, as the caller's cgroup namespace shows them.
    Cgroup2,
    /// The processes, as the caller's PID namespace shows them.
    Proc,
    /// The one of `/dev`.
    Devtmpfs,
    /// The one of `/dev/pts`.
    Devpts,
    /// The machine, with the interfaces of the caller's network namespace.
    Sysfs,
    /// One on a disk: ext4, or one that it comes from.
    Ext(ExtKind),
    /// A program at the other end of an open `/dev/fuse`.
    Fuse,
}

impl Kind {
    /// All of them, those on disks in the order in which mount(8) is to try them: as the
    /// last of its kinds, each can be mounted.
    pub const ALL: [Kind; 10] = [
        Kind::Tmpfs,
        Kind::Cgroup2,
        Kind::Proc,
        Kind::Devtmpfs,
        Kind::Devpts,
        Kind::Sysfs,
        Kind::Ext(ExtKind::Ext3),
        Kind::Ext(ExtKind::Ext2),
        Kind::Ext(ExtKind::Ext4),
        Kind::Fuse,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        let before = Self::ALL.iter().take_while(|kind| **kind != self);
        before.count()
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Tmpfs => "tmpfs",
            Kind::Cgroup2 => "cgroup2",
            Kind::Proc => "proc",
            Kind::Devtmpfs => "devtmpfs",
            Kind::Devpts => "devpts",
            Kind::Sysfs => "sysfs",
            Kind::Ext(kind) => kind.name(),
            Kind::Fuse => "fuse",
        }
    }

    /// Which kind it is on the disk that its source names, if it is on one.
    pub const fn on_disk(self) -> Option<ExtKind> {
        match self {
            Kind::Ext(kind) => Some(kind),
            _ => None,
        }
    }

    /// The kind of a name.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn from_name(name: &[u8]) -> Result<Kind, Errno> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.name().as_bytes() == name)
            .ok_or(Errno::ENODEV)
    }

    /// The kind of a name, and which of that kind it is: what is behind a dot, of one that
    /// is a program.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn from_full_name(name: &[u8]) -> Result<(Kind, Option<&str>), Errno> {
        match name.strip_prefix(b"fuse.") {
            Some(subtype) if !subtype.is_empty() => {
                let subtype = str::from_utf8(subtype).map_err(|_| Errno::EINVAL)?;
                Ok((Kind::Fuse, Some(subtype)))
            }
            _ => Ok((Kind::from_name(name)?, None)),
        }
    }
}
