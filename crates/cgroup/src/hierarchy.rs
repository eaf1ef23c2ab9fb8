//! [`Hierarchy`]: the groups, and which process is in which.

use crate::controllers::Controllers;
use crate::group::{Group, Origin};
use crate::limit::Limit;
use crate::memory::Accounts;
use crate::tree::{Node, ROOT, Tree};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};

/// How a process that has come into a group goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// It is to stand still.
    pub freezing: bool,
}

/// The tree of groups, under one spin lock. Nothing here sleeps, and nothing
/// tells of what has changed: [`Group::tell`] does, with no lock held.
pub struct Hierarchy {
    tree: SpinLock<Tree, PreemptOff>,
    root: Arc<Group>,
}

impl Hierarchy {
    /// The root alone, with all processes to come; it has these controllers, and
    /// the accounts for memory are in `accounts`. `ENOMEM`.
    pub fn new(controllers: Controllers, accounts: Arc<dyn Accounts>) -> Result<Arc<Hierarchy>> {
        let root = Group::root(ROOT, accounts)?;
        let tree = Tree::new(root.clone(), controllers)?;
        try_arc(Hierarchy {
            tree: SpinLock::new(Rank::Cgroup, tree),
            root,
        })
    }

    /// The root.
    pub fn root(&self) -> &Arc<Group> {
        &self.root
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        self.tree.lock().len()
    }

    pub(crate) fn look<T>(&self, group: &Group, look: impl FnOnce(&Tree, &Node) -> T) -> Result<T> {
        let tree = self.tree.lock();
        let node = tree.node(group.id())?;
        Ok(look(&tree, node))
    }

    pub(crate) fn mkdir(
        &self,
        parent: &Arc<Group>,
        name: &[u8],
        origin: Origin,
    ) -> Result<Arc<Group>> {
        let id = {
            let mut tree = self.tree.lock();
            tree.check_new(parent.id(), name)?;
            tree.next_id()
        };
        let group = Group::new(id, name, parent, origin)?;
        let mut tree = self.tree.lock();
        let added = tree
            .check_new(parent.id(), name)
            .and_then(|()| tree.add(parent.id(), group.clone()));
        drop(tree);
        added.map(|()| group)
    }

    pub(crate) fn rmdir(&self, parent: &Group, name: &[u8]) -> Result<()> {
        let removed = self.tree.lock().remove(parent.id(), name)?;
        parent.cpu.add(removed.group.cpu.get());
        removed.group.set_removed();
        removed.group.nodes.clear();
        drop(removed);
        Ok(())
    }

    pub(crate) fn child(&self, parent: &Group, name: &[u8]) -> Result<Arc<Group>> {
        self.tree.lock().child(parent.id(), name).cloned()
    }

    pub(crate) fn child_after(&self, parent: &Group, after: u64) -> Option<Arc<Group>> {
        self.tree.lock().child_after(parent.id(), after).cloned()
    }

    /// A new process is in `group`, where its parent is, or where it is put: that is
    /// checked then. `ENODEV` for one that was removed, `EBUSY`, `EOPNOTSUPP`,
    /// `ENOMEM`.
    pub fn enter(&self, group: &Group, pid: u32, is_put: bool) -> Result<Entered> {
        let mut tree = self.tree.lock();
        if is_put {
            tree.check_enter(group.id())?;
        }
        tree.reserve(group.id())?;
        tree.enter(group.id(), pid);
        let freezing = tree.node(group.id())?.freezing;
        Ok(Entered { freezing })
    }

    /// A process has ended; if it was not in the group, nothing happens.
    pub fn leave(&self, group: &Group, pid: u32) {
        self.tree.lock().leave(group.id(), pid);
    }

    /// A process goes from one group to another. The errors of [`Self::enter`], and
    /// it is where it was; `ESRCH` if it has ended.
    pub fn transfer(&self, from: &Group, to: &Group, pid: u32) -> Result<Entered> {
        let mut tree = self.tree.lock();
        if !tree.node(from.id())?.has(pid) {
            return Err(Errno::ESRCH);
        }
        if from.id() != to.id() {
            tree.check_enter(to.id())?;
            tree.reserve(to.id())?;
            tree.leave(from.id(), pid);
            tree.enter(to.id(), pid);
        }
        let freezing = tree.node(to.id())?.freezing;
        Ok(Entered { freezing })
    }

    /// A process stands still, as its group is to, or no longer does.
    pub fn set_frozen(&self, group: &Group, pid: u32, frozen: bool) {
        self.tree.lock().set_frozen(group.id(), pid, frozen);
    }

    /// Whether the group's processes are to stand still.
    pub fn is_freezing(&self, group: &Group) -> bool {
        self.look(group, |_, node| node.freezing).unwrap_or(false)
    }

    /// Calls `each` for the processes of a group and of those below it, under
    /// the lock.
    pub fn for_each_process(&self, group: &Group, mut each: impl FnMut(u32)) {
        let tree = self.tree.lock();
        for node in tree.subtree(group.id()) {
            if let Ok(members) = tree.members(node.group.id()) {
                members.for_each(&mut each);
            }
        }
    }

    /// How many processes there are in a group and below.
    pub fn processes(&self, group: &Group) -> usize {
        self.tree.lock().live(group.id())
    }

    /// The group's own processes. `ENODEV`, `ENOMEM`.
    pub fn members(&self, group: &Group) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        loop {
            let tree = self.tree.lock();
            let wanted = tree.members(group.id())?.len();
            if wanted <= found.capacity() {
                found.extend(tree.members(group.id())?);
                drop(tree);
                found.sort_unstable();
                return Ok(found);
            }
            drop(tree);
            found.try_reserve(wanted + 8).map_err(|_| Errno::ENOMEM)?;
        }
    }

    /// Calls `each` for a group and all below it, with no lock held. `ENOMEM`.
    pub(crate) fn for_each_group(&self, top: &Group, each: impl FnMut(&Arc<Group>)) -> Result<()> {
        let mut found = Vec::new();
        loop {
            let tree = self.tree.lock();
            let wanted = tree.node(top.id())?.descendants as usize + 1;
            if wanted <= found.capacity() {
                found.extend(tree.subtree(top.id()).map(|node| node.group.clone()));
                break;
            }
            drop(tree);
            found.try_reserve(wanted + 8).map_err(|_| Errno::ENOMEM)?;
        }
        found.iter().for_each(each);
        Ok(())
    }

    /// Sets `cgroup.freeze`; whether the processes in it and below are to be
    /// told.
    pub(crate) fn set_freeze(&self, group: &Group, freeze: bool) -> Result<bool> {
        self.tree.lock().set_freeze(group.id(), freeze)
    }

    pub(crate) fn set_max_depth(&self, group: &Group, limit: Limit) -> Result<()> {
        self.tree.lock().node_mut(group.id())?.max_depth = limit;
        Ok(())
    }

    pub(crate) fn set_max_descendants(&self, group: &Group, limit: Limit) -> Result<()> {
        self.tree.lock().node_mut(group.id())?.max_descendants = limit;
        Ok(())
    }

    pub(crate) fn control(&self, group: &Group, on: Controllers, off: Controllers) -> Result<()> {
        let mut tree = self.tree.lock();
        let lost = tree.control(group.id(), on, off)?;
        let mut after = 0;
        while let Some(child) = tree.child_after(group.id(), after) {
            after = child.id();
            if lost.contains(Controllers::PIDS) {
                child.pids.reset();
            }
            if lost.contains(Controllers::MEMORY) {
                child.memory.reset();
            }
        }
        Ok(())
    }

    /// What is enabled for a group. `ENODEV`.
    pub fn controllers(&self, group: &Group) -> Result<Controllers> {
        self.tree.lock().controllers(group.id())
    }
}
