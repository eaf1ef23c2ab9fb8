//! [`Nodes`]: the inodes of one group.

use super::controls::Index;
use super::dir::DirNode;
use super::file::FileNode;
use crate::group::{Group, Origin};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock};
use paddock_vfs::{Inode, SetMetadata, notify};

/// Whose an inode is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

impl Owner {
    /// Of a directory; the root's is the superuser's.
    pub fn of(origin: Option<&Origin>) -> Owner {
        match origin {
            Some(&Origin { uid, gid, mode, .. }) => Owner { uid, gid, mode },
            None => Owner {
                uid: 0,
                gid: 0,
                mode: 0o755,
            },
        }
    }

    /// `EPERM` for what cannot be changed.
    pub fn change(&mut self, change: &SetMetadata) -> Result<()> {
        let own = [(&mut self.uid, change.uid), (&mut self.gid, change.gid)];
        for (value, new) in own {
            *value = new.unwrap_or(*value);
        }
        self.mode = change.mode.unwrap_or(self.mode);
        Ok(())
    }
}

struct Files {
    /// Kept once they were looked up: owner and mode are theirs.
    all: Vec<(Index, Arc<FileNode>)>,
    /// The group was removed.
    is_closed: bool,
}

/// The inodes of a group, of which there is one each.
pub(crate) struct Nodes {
    pub(super) owner: SpinLock<Owner, PreemptOff>,
    dir: SpinLock<Weak<DirNode>, PreemptOff>,
    files: SpinLock<Files, PreemptOff>,
}

impl Nodes {
    pub(crate) fn new(origin: Option<&Origin>) -> Nodes {
        Nodes {
            owner: SpinLock::new(Rank::Leaf, Owner::of(origin)),
            dir: SpinLock::new(Rank::Leaf, Weak::new()),
            files: SpinLock::new(
                Rank::Leaf,
                Files {
                    all: Vec::new(),
                    is_closed: false,
                },
            ),
        }
    }

    /// The directory: the one that is there, or else `new`.
    pub(super) fn dir_or(&self, new: Arc<DirNode>) -> Arc<DirNode> {
        let mut dir = self.dir.lock();
        match dir.upgrade() {
            Some(known) => known,
            None => {
                *dir = Arc::downgrade(&new);
                new
            }
        }
    }

    pub(super) fn dir(&self) -> Option<Arc<DirNode>> {
        self.dir.lock().upgrade()
    }

    pub(super) fn file(&self, index: Index) -> Option<Arc<FileNode>> {
        let files = self.files.lock();
        let found = files.all.iter().find(|(own, _)| *own == index);
        found.map(|(_, node)| node.clone())
    }

    /// The file: the one that is there, or else `new`. `ENODEV` once the group
    /// was removed, `ENOMEM`.
    pub(super) fn file_or(&self, index: Index, new: Arc<FileNode>) -> Result<Arc<FileNode>> {
        let mut files = self.files.lock();
        if files.is_closed {
            return Err(Errno::ENODEV);
        }
        if let Some((_, known)) = files.all.iter().find(|(own, _)| *own == index) {
            return Ok(known.clone());
        }
        files.all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        files.all.push((index, new.clone()));
        Ok(new)
    }

    /// The group was removed: it keeps none of them any more.
    pub(crate) fn clear(&self) {
        let mut files = self.files.lock();
        files.is_closed = true;
        let old = core::mem::take(&mut files.all);
        drop(files);
        drop(old);
    }

    /// Tells whoever waits what of the group has changed. May sleep.
    #[inline]
    pub(crate) fn tell(&self, group: &Group) {
        for (index, news) in super::controls::news(group) {
            if news.take_untold() {
                self.tell_watchers(index);
            }
        }
    }

    #[cold]
    fn tell_watchers(&self, index: Index) {
        if let Some(file) = self.file(index) {
            let inode: Arc<dyn Inode> = file;
            notify::modified(&inode);
        }
    }
}
