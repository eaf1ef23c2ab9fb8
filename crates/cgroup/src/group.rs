//! [`Group`]: what is had of a group without the hierarchy's lock.

use crate::cpu::CpuPast;
use crate::fs::Nodes;
use crate::memory::{Accounts, Memory};
use crate::news::News;
use crate::pids::Pids;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_vfs::Timestamp;

/// Who made a group, when, and who pays for it.
#[derive(Debug)]
pub(crate) struct Origin {
    pub uid: u32,
    pub gid: u32,
    /// Permission bits of the directory.
    pub mode: u32,
    pub at: Timestamp,
    /// Kept for as long as the group is there.
    pub _charge: Charge,
}

/// A group. It stays usable for those who hold it after it was removed.
pub struct Group {
    id: u64,
    name: Box<[u8]>,
    parent: Option<Arc<Group>>,
    depth: usize,
    removed: AtomicBool,
    /// Groups below it that were removed and are still held.
    dying: AtomicU64,
    /// `None` for the root.
    pub(crate) origin: Option<Origin>,
    /// Of `cgroup.events`.
    pub(crate) events: News,
    pub(crate) pids: Pids,
    pub(crate) cpu: CpuPast,
    pub(crate) memory: Memory,
    pub(crate) nodes: Nodes,
}

impl Group {
    /// The root. `ENOMEM`.
    pub(crate) fn root(id: u64, accounts: Arc<dyn Accounts>) -> Result<Arc<Group>> {
        Group::with(id, b"", None, None, Memory::of_root(accounts))
    }

    /// One below another. `ENOMEM`.
    pub(crate) fn new(
        id: u64,
        name: &[u8],
        parent: &Arc<Group>,
        origin: Origin,
    ) -> Result<Arc<Group>> {
        let memory = Memory::below(&parent.memory)?;
        Group::with(id, name, Some(parent), Some(origin), memory)
    }

    fn with(
        id: u64,
        name: &[u8],
        parent: Option<&Arc<Group>>,
        origin: Option<Origin>,
        memory: Memory,
    ) -> Result<Arc<Group>> {
        paddock_sync::try_arc(Group {
            id,
            name: paddock_sync::try_copy(name)?.into_boxed_slice(),
            parent: parent.cloned(),
            depth: parent.map_or(0, |parent| parent.depth + 1),
            removed: AtomicBool::new(false),
            dying: AtomicU64::new(0),
            nodes: Nodes::new(origin.as_ref()),
            origin,
            events: News::new(),
            pids: Pids::new(),
            cpu: CpuPast::default(),
            memory,
        })
    }

    /// Its number: one for the root; no two groups ever have the same.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name in its parent's directory; empty for the root.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The group that it is in; `None` for the root.
    pub fn parent(&self) -> Option<&Arc<Group>> {
        self.parent.as_ref()
    }

    /// How far below the root it is.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// Whether it was removed: nothing can be done with it any more.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Relaxed)
    }

    /// Itself and its ancestors but the root, the lowest first.
    #[inline]
    pub(crate) fn lineage(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Group>> {
        let mut next = Some(self);
        core::iter::from_fn(move || {
            let level = next?;
            next = level.parent.as_ref();
            next.map(|_| level)
        })
    }

    /// The lowest group that both are or are below.
    pub fn common_ancestor<'a>(self: &'a Arc<Self>, other: &'a Arc<Self>) -> &'a Arc<Group> {
        let (mut one, mut two) = (self, other);
        while !Arc::ptr_eq(one, two) {
            let lower = if one.depth >= two.depth {
                &mut one
            } else {
                &mut two
            };
            match lower.parent.as_ref() {
                Some(parent) => *lower = parent,
                None => break,
            }
        }
        one
    }

    /// Its path from the root, as in `/proc/PID/cgroup`. `ENOMEM`.
    pub fn path(self: &Arc<Self>) -> Result<Vec<u8>> {
        let length: usize = self.lineage().map(|level| level.name.len() + 1).sum();
        let mut path = Vec::new();
        path.try_reserve_exact(length.max(1))
            .map_err(|_| Errno::ENOMEM)?;
        path.resize(length, b'/');
        let mut end = length;
        for level in self.lineage() {
            let start = end - level.name.len();
            path[start..end].copy_from_slice(&level.name);
            end = start - 1;
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }

    /// Its path from another one, as in `/proc/PID/cgroup` of who has that for a root:
    /// with `..` for each level that it is not below. `ENOMEM`.
    pub fn path_from(self: &Arc<Self>, root: &Arc<Group>) -> Result<Vec<u8>> {
        let path = self.path()?;
        if root.is_root() {
            return Ok(path);
        }
        let common = self.common_ancestor(root);
        let skipped = match common.is_root() {
            true => 0,
            false => common.path()?.len(),
        };
        let levels = root.depth() - common.depth();
        let own = path.get(skipped..).unwrap_or_default();
        let own = if own == b"/" { &[][..] } else { own };
        let mut whole = Vec::new();
        let room = whole.try_reserve_exact(levels * 3 + own.len() + 1);
        room.map_err(|_| Errno::ENOMEM)?;
        (0..levels).for_each(|_| whole.extend_from_slice(b"/.."));
        whole.extend_from_slice(own);
        if whole.is_empty() {
            whole.push(b'/');
        }
        Ok(whole)
    }

    /// Groups below it that were removed and are still held.
    pub(crate) fn dying(&self) -> u64 {
        self.dying.load(Relaxed)
    }

    /// Called once, when it is taken out of the hierarchy.
    pub(crate) fn set_removed(&self) {
        self.removed.store(true, Relaxed);
        let mut above = self.parent.as_ref();
        while let Some(group) = above {
            group.dying.fetch_add(1, Relaxed);
            above = group.parent.as_ref();
        }
    }

    /// Tells whoever waits for what has changed, here and above. No lock may be
    /// held; may sleep.
    pub fn tell(self: &Arc<Self>) {
        for level in self.lineage() {
            level.nodes.tell(level);
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("id", &self.id).finish()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !*self.removed.get_mut() {
            return;
        }
        let mut above = self.parent.as_ref();
        while let Some(group) = above {
            group.dying.fetch_sub(1, Relaxed);
            above = group.parent.as_ref();
        }
    }
}
