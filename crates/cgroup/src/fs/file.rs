//! The files of a group, and what an open one does.

use super::Shared;
use super::controls::{CONTROLS, Control, Index, PROCS};
use super::dir::INODES;
use super::nodes::Owner;
use super::text::Text;
use crate::group::Group;
use crate::news::News;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_cred::{Access, Cred, FileRights};
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_vfs::proc_fs::{GeneratedFile, ProcFile};
use paddock_vfs::{File, FileKind, FsStats, Inode, Metadata, OpenFlags, SetMetadata};

/// A file of a group.
pub(crate) struct FileNode {
    shared: Arc<Shared>,
    group: Arc<Group>,
    index: Index,
    control: &'static Control,
    owner: SpinLock<Owner, PreemptOff>,
}

impl FileNode {
    /// That of `group`. `ENODEV` once that was removed, `ENOMEM`.
    pub fn of(shared: &Arc<Shared>, group: &Arc<Group>, index: Index) -> Result<Arc<FileNode>> {
        if let Some(known) = group.nodes.file(index) {
            return Ok(known);
        }
        let control = CONTROLS.get(usize::from(index.0)).ok_or(Errno::ENOENT)?;
        let owner = Owner {
            mode: control.mode,
            ..Owner::of(group.origin.as_ref())
        };
        let new = try_arc(FileNode {
            shared: shared.clone(),
            group: group.clone(),
            index,
            control,
            owner: SpinLock::new(Rank::Leaf, owner),
        })?;
        group.nodes.file_or(index, new)
    }

    fn rights(&self) -> FileRights {
        let Owner { uid, gid, mode } = *self.owner.lock();
        FileRights {
            mode,
            uid,
            gid,
            directory: false,
            decided_there: false,
        }
    }
}

/// `EACCES` unless `cred` may write to the group's `cgroup.procs`.
pub(super) fn check_procs(shared: &Arc<Shared>, cred: &Cred, group: &Arc<Group>) -> Result<()> {
    let file = FileNode::of(shared, group, PROCS)?;
    cred.check_file(&file.rights(), Access::WRITE)
}

impl Inode for FileNode {
    fn ino(&self) -> u64 {
        self.group.id() * INODES + u64::from(self.index.0) + 1
    }

    fn kind(&self) -> FileKind {
        FileKind::Regular
    }

    fn metadata(&self) -> Result<Metadata> {
        let owner = *self.owner.lock();
        Ok(self.shared.metadata(&self.group, self, owner))
    }

    fn set_metadata(&self, change: &SetMetadata) -> Result<()> {
        match change.size {
            // `echo … >` cuts the file first.
            Some(_) => Ok(()),
            None => self.owner.lock().change(change),
        }
    }

    fn fs_stats(&self) -> Result<FsStats> {
        Ok(self.shared.stats())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    /// `ENODEV` once the group was removed; `EACCES` for what the file cannot do,
    /// whoever asks.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        if self.group.is_removed() {
            return Err(Errno::ENODEV);
        }
        let reads = flags.readable() && self.control.show.is_none();
        let writes = flags.writable() && self.control.write.is_none();
        if reads || writes {
            return Err(Errno::EACCES);
        }
        let source = try_arc(OpenControl {
            cred: self.shared.system.cred(),
            seen: AtomicU64::new(0),
            node: self.clone(),
        })?;
        GeneratedFile::of(self, source).map(Some)
    }
}

/// An open file of a group.
struct OpenControl {
    node: Arc<FileNode>,
    /// Who opened it.
    cred: Arc<Cred>,
    /// The number of the news that were read last.
    seen: AtomicU64,
}

impl OpenControl {
    fn context(&self) -> Result<Context<'_>> {
        let FileNode { shared, group, .. } = &*self.node;
        match group.is_removed() {
            true => Err(Errno::ENODEV),
            false => Ok(Context {
                shared,
                group,
                cred: &self.cred,
            }),
        }
    }

    fn news(&self) -> Option<&News> {
        self.node.control.news.map(|of| of(&self.node.group))
    }
}

/// What a file is about.
pub(super) struct Context<'a> {
    pub shared: &'a Arc<Shared>,
    pub group: &'a Arc<Group>,
    /// Who opened it.
    pub cred: &'a Cred,
}

impl ProcFile for OpenControl {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        if let Some(news) = self.news() {
            self.seen.store(news.newest(), Relaxed);
        }
        let show = self.node.control.show.ok_or(Errno::EACCES)?;
        show(&self.context()?, &mut Text(out))
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        let write = self.node.control.write.ok_or(Errno::EACCES)?;
        let text = core::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
        write(&self.context()?, text.trim())?;
        Ok(data.len())
    }

    fn ready(&self) -> Ready {
        let always = Ready::IN | Ready::OUT;
        match self.news() {
            Some(news) if news.newest() != self.seen.load(Relaxed) => {
                always | Ready::PRI | Ready::ERR
            }
            _ => always,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.news().map(News::queue)
    }
}
