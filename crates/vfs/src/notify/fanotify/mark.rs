//! [`Mark`]: what a group wants to hear of an object, and what it does not.

use super::flags::{MarkFlags, MarkRequest, Mask};
use super::group::Group;
use crate::notify;
use crate::{Errno, FileSystem, Inode, Result};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use paddock_charge::{Charge, Counted};
use paddock_sync::OnceCell;

/// What marks are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The address of an inode, of which the mark keeps at least the memory.
    Inode(usize),
    /// The number of a mount.
    Mount(u64),
    /// The number of a filesystem, that of its first mount.
    Filesystem(u64),
}

impl Key {
    pub fn of_inode(inode: &Arc<dyn Inode>) -> Key {
        Key::Inode(notify::key(inode))
    }
}

/// Which of a group and its like is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Fewer come first.
    pub class: u8,
    /// Its own.
    pub number: u64,
}

/// How an object has to do with what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It is what it happens to, or the directory of the name that it is about.
    Own = 0,
    /// The directory that it is in; of a rename, the one of the new name.
    Other = 1,
    /// The mount it is seen through.
    Mount = 2,
    /// Its filesystem.
    Filesystem = 3,
}

impl Slot {
    pub const ALL: [Slot; 4] = [Slot::Own, Slot::Other, Slot::Mount, Slot::Filesystem];
}

/// One group's mark of one object.
pub struct Mark {
    pub key: Key,
    pub turn: Turn,
    pub group: Weak<Group>,
    /// The number of the filesystem, with which it goes.
    pub fs: u64,
    pub filesystem: Weak<dyn FileSystem>,
    pub fsid: u64,
    /// As `/proc/PID/fdinfo` tells it.
    pub device: u64,
    pub inode: Option<Weak<dyn Inode>>,
    /// What keeps the inode, unless it may go.
    pub pin: OnceCell<Arc<dyn Inode>>,
    pub mask: AtomicU32,
    pub ignored: AtomicU32,
    /// Those of [`Mark::KEPT`].
    pub flags: AtomicU32,
    pub _counted: Option<Counted>,
    pub _charge: Charge,
}

impl Mark {
    /// The flags that a mark keeps; that it may go is that nothing pins it.
    pub const KEPT: MarkFlags = MarkFlags::IGNORED_SURV_MODIFY.union(MarkFlags::IGNORE);

    pub fn mask(&self) -> Mask {
        Mask::from_bits_retain(self.mask.load(Relaxed))
    }

    pub fn ignored(&self) -> Mask {
        Mask::from_bits_retain(self.ignored.load(Relaxed))
    }

    pub fn flags(&self) -> MarkFlags {
        MarkFlags::from_bits_retain(self.flags.load(Relaxed))
    }

    /// Whether it goes with its inode.
    pub fn is_evictable(&self) -> bool {
        self.inode.is_some() && self.pin.get().is_none()
    }

    /// Whether its inode has gone.
    pub fn is_stale(&self) -> bool {
        let gone = |inode: &Weak<dyn Inode>| inode.strong_count() == 0;
        self.inode.as_ref().is_some_and(gone)
    }

    /// What it leaves out, with the flags that say of what (fanotify_mark(2)).
    fn ignored_with_flags(&self) -> Mask {
        let ignored = self.ignored();
        match self.flags().contains(MarkFlags::IGNORE) {
            true => ignored,
            // Of directories as well, and of children if it hears of them.
            false => {
                ignored.difference(Mask::FLAGS)
                    | Mask::ONDIR
                    | self.mask().intersection(Mask::EVENT_ON_CHILD)
            }
        }
    }

    /// The events that it leaves out of what happens to a directory or not, which it has
    /// to do with as a parent or not.
    pub fn leaves_out(&self, is_dir: bool, is_parent: bool) -> Mask {
        let ignored = self.ignored_with_flags();
        let applies = (!is_dir || ignored.contains(Mask::ONDIR))
            && (!is_parent || ignored.contains(Mask::EVENT_ON_CHILD));
        match applies {
            true => ignored.intersection(Mask::EVENTS),
            false => Mask::empty(),
        }
    }

    /// What it wants to hear of the same; `None` if nothing.
    pub fn wants(&self, is_dir: bool, is_parent: bool) -> Option<Mask> {
        let mask = self.mask();
        let applies = (!is_dir || mask.contains(Mask::ONDIR))
            && (!is_parent || mask.contains(Mask::EVENT_ON_CHILD));
        applies.then_some(mask)
    }

    /// It was written: what does not last is not left out any more.
    pub fn modified(&self) {
        if !self.flags().contains(MarkFlags::IGNORED_SURV_MODIFY) {
            self.ignored.store(0, Relaxed);
        }
    }

    /// `EEXIST` for what would make less of it than it is.
    pub fn check_update(&self, request: &MarkRequest) -> Result<()> {
        let flags = request.flags;
        let lasts = self.flags().contains(MarkFlags::IGNORED_SURV_MODIFY);
        let less = flags.contains(MarkFlags::EVICTABLE) && !self.is_evictable()
            || flags.contains(MarkFlags::IGNORED_MASK) && self.flags().contains(MarkFlags::IGNORE)
            || flags.contains(MarkFlags::IGNORE) && !request.survives_modify() && lasts;
        match less {
            true => Err(Errno::EEXIST),
            false => Ok(()),
        }
    }

    /// More events. One change of a group's marks at a time.
    pub fn add(&self, request: &MarkRequest) {
        let flags = request.flags.intersection(Mark::KEPT);
        match request.ignores() {
            true => {
                self.flags.fetch_or(flags.bits(), Relaxed);
                self.ignored.fetch_or(request.mask.bits(), Relaxed)
            }
            false => self.mask.fetch_or(request.mask.bits(), Relaxed),
        };
    }

    /// Fewer events; whether some are left.
    pub fn remove(&self, request: &MarkRequest) -> bool {
        let gone = request.mask.difference(request.lasting);
        let of = match request.ignores() {
            true => &self.ignored,
            false => &self.mask,
        };
        of.fetch_and(!gone.bits(), Relaxed);
        let left = self.mask() | self.ignored();
        !left.difference(request.lasting).is_empty()
    }
}
