//! The cgroup2 filesystem: a directory for each group, with a file for each
//! thing that can be told or set.

mod controls;
mod dir;
mod file;
mod nodes;
mod text;

pub(crate) use nodes::Nodes;

use crate::cpu::CpuUse;
use crate::group::Group;
use crate::hierarchy::Hierarchy;
use alloc::sync::Arc;
use dir::DirNode;
use nodes::Owner;
use paddock_abi::Result;
use paddock_abi::stat::CGROUP2_SUPER_MAGIC;
use paddock_charge::Account;
use paddock_cred::Cred;
use paddock_sync::try_arc;
use paddock_vfs::{Clock, FileSystem, FsState, FsStats, Inode, Metadata, Timestamp};

/// What the filesystem needs of the rest of the kernel. Its calls may sleep, and
/// are made with no lock held.
pub trait System: Send + Sync {
    /// Who the caller is.
    fn cred(&self) -> Arc<Cred>;

    /// Who pays for what the caller makes.
    fn account(&self) -> Arc<Account>;

    /// What the caller knows a process or thread by; 0 for one that it does not know.
    fn known(&self, id: u32) -> u32;

    /// Moves the process of the thread that the caller knows as `pid`, or the caller's
    /// for zero, to a group,
    /// if `may` says so of the group that it is in. `ESRCH`, and the errors of
    /// [`Hierarchy::transfer`].
    fn move_process(
        &self,
        pid: u32,
        to: &Arc<Group>,
        may: &dyn Fn(&Arc<Group>) -> Result<()>,
    ) -> Result<()>;

    /// Kills all processes in the group and below, with those that they are about
    /// to make. `ENOMEM`.
    fn kill(&self, group: &Arc<Group>) -> Result<()>;

    /// Kills in the group and below until it has no more memory than it may.
    fn shrink(&self, group: &Arc<Group>) -> Result<()>;

    /// Has all processes in the group and below stand still, or go on, as
    /// [`Hierarchy::is_freezing`] says of their own groups. `ENOMEM`.
    fn freeze(&self, group: &Arc<Group>) -> Result<()>;

    /// Calls `each` for the process's threads; for none if it has ended.
    fn for_each_thread(&self, pid: u32, each: &mut dyn FnMut(u32));

    /// What the process has used of the CPU since it came into its group.
    fn cpu_used(&self, pid: u32) -> CpuUse;
}

/// What all inodes share.
pub(crate) struct Shared {
    pub hierarchy: Arc<Hierarchy>,
    pub system: Arc<dyn System>,
    pub clock: Arc<dyn Clock>,
    pub device: u64,
    /// When the filesystem was made.
    pub made_at: Timestamp,
    /// What all mounts of it share, wherever it is seen from.
    pub state: FsState,
}

impl Shared {
    /// When the files of a group were made.
    fn time_of(&self, group: &Group) -> Timestamp {
        match &group.origin {
            Some(origin) => origin.at,
            None => self.made_at,
        }
    }

    /// What stat(2) tells of an inode of a group, whose owner is `owner`.
    fn metadata(&self, group: &Group, inode: &dyn Inode, owner: Owner) -> Metadata {
        let at = self.time_of(group);
        Metadata {
            uid: owner.uid,
            gid: owner.gid,
            atime: at,
            mtime: at,
            ctime: at,
            ..Metadata::nameless(self.device, inode.ino(), inode.kind(), owner.mode)
        }
    }

    fn stats(&self) -> FsStats {
        FsStats {
            magic: CGROUP2_SUPER_MAGIC,
            block_size: 4096,
            name_max: 255,
            ..FsStats::default()
        }
    }
}

/// The filesystem. However often it is mounted, it is the same.
pub struct CgroupFs {
    shared: Arc<Shared>,
    root: Arc<DirNode>,
}

impl CgroupFs {
    /// Shows `hierarchy`, with the device number `device`. `ENOMEM`.
    pub fn new(
        hierarchy: &Arc<Hierarchy>,
        system: Arc<dyn System>,
        clock: Arc<dyn Clock>,
        device: u64,
    ) -> Result<Arc<CgroupFs>> {
        let shared = try_arc(Shared {
            hierarchy: hierarchy.clone(),
            system,
            made_at: clock.now(),
            clock,
            device,
            state: FsState::new(),
        })?;
        let root = DirNode::of(&shared, hierarchy.root())?;
        try_arc(CgroupFs { shared, root })
    }

    /// The same filesystem as it is seen from a group, whose directory is its root. `ENOMEM`.
    pub fn seen_from(&self, group: &Arc<Group>) -> Result<Arc<CgroupFs>> {
        let shared = self.shared.clone();
        let root = DirNode::of(&shared, group)?;
        try_arc(CgroupFs { shared, root })
    }

    /// The group whose directory an inode is; `None` for any other. For
    /// `CLONE_INTO_CGROUP`.
    pub fn group_of(inode: &Arc<dyn Inode>) -> Option<&Arc<Group>> {
        let dir = inode.as_any().downcast_ref::<DirNode>()?;
        Some(dir.group())
    }

    /// Whether `cred` may move a process from `from` to `to`: it may write to
    /// `cgroup.procs` of the second, and of their common ancestor (cgroups(7),
    /// "delegation containment"). `EACCES`, `ENOMEM`.
    pub fn check_move(&self, cred: &Cred, from: &Arc<Group>, to: &Arc<Group>) -> Result<()> {
        file::check_procs(&self.shared, cred, to)?;
        file::check_procs(&self.shared, cred, from.common_ancestor(to))
    }
}

impl FileSystem for CgroupFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        "cgroup2"
    }

    fn device(&self) -> u64 {
        self.shared.device
    }

    fn stats(&self) -> Result<FsStats> {
        Ok(self.shared.stats())
    }

    fn state(&self) -> &FsState {
        &self.shared.state
    }
}
