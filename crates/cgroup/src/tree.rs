//! [`Tree`]: the groups and who is in them, as plain data for one short lock.

use crate::controllers::Controllers;
use crate::group::Group;
use crate::limit::Limit;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::ops::Bound::{Excluded, Unbounded};
use hashbrown::HashMap;
use paddock_abi::{Errno, Result};
use paddock_sync::{may_allocate, try_copy};

/// How deep groups may be, whatever `cgroup.max.depth` says: what is done for
/// each level of a group is done at most so often.
pub const MAX_DEPTH: usize = 64;

/// The root's number.
pub(crate) const ROOT: u64 = 1;

/// A group.
pub(crate) struct Node {
    pub group: Arc<Group>,
    parent: u64,
    names: HashMap<Box<[u8]>, u64>,
    children: BTreeSet<u64>,
    /// Its own processes that have not ended; whether each stands still.
    members: HashMap<u32, bool>,
    /// Processes here and below.
    live: usize,
    /// Those of them that stand still.
    frozen: usize,
    /// Children with processes in them or below.
    populated_children: usize,
    /// What `cgroup.freeze` says.
    pub freeze: bool,
    /// Whether that, or what an ancestor's says, is to be so.
    pub freezing: bool,
    /// What its children have.
    pub subtree_control: Controllers,
    pub max_depth: Limit,
    pub max_descendants: Limit,
    pub descendants: u64,
}

impl Node {
    fn new(group: Arc<Group>, parent: u64, freezing: bool) -> Node {
        Node {
            group,
            parent,
            names: HashMap::new(),
            children: BTreeSet::new(),
            members: HashMap::new(),
            live: 0,
            frozen: 0,
            populated_children: 0,
            freeze: false,
            freezing,
            subtree_control: Controllers::empty(),
            max_depth: Limit::NONE,
            max_descendants: Limit::NONE,
            descendants: 0,
        }
    }

    /// Whether there is a process in it or below.
    pub fn is_populated(&self) -> bool {
        self.live > 0
    }

    /// Whether nothing in it or below runs, as it was told.
    pub fn is_frozen(&self) -> bool {
        self.freezing && self.live == self.frozen
    }

    /// Whether the process is one of its own.
    pub fn has(&self, pid: u32) -> bool {
        self.members.contains_key(&pid)
    }

    /// How many groups it has.
    pub fn children(&self) -> usize {
        self.children.len()
    }

    fn told(&self) -> (bool, bool) {
        (self.is_populated(), self.is_frozen())
    }

    /// Does `change`, and notes if `cgroup.events` says something else now.
    fn change(&mut self, change: impl FnOnce(&mut Node)) {
        let before = self.told();
        change(self);
        if self.told() != before {
            self.group.events.note();
        }
    }

    /// Whether it could have threaded groups below: then it may have both
    /// processes and controllers that bear that.
    fn can_be_thread_root(&self) -> bool {
        let populated = self.populated_children > 0;
        self.group.is_root() || !populated && !self.subtree_control.intersects(Controllers::DOMAIN)
    }

    /// Whether groups below it are no domains: it has processes, and gives
    /// them controllers.
    fn is_thread_root(&self) -> bool {
        !self.group.is_root() && !self.members.is_empty() && !self.subtree_control.is_empty()
    }
}

/// All groups.
pub(crate) struct Tree {
    nodes: HashMap<u64, Node>,
    controllers: Controllers,
    newest: u64,
}

impl Tree {
    /// `root` alone. `ENOMEM`.
    pub fn new(root: Arc<Group>, controllers: Controllers) -> Result<Tree> {
        let mut nodes = HashMap::new();
        nodes.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        nodes.insert(ROOT, Node::new(root, 0, false));
        Ok(Tree {
            nodes,
            controllers,
            newest: ROOT,
        })
    }

    /// A number for a group to come.
    pub fn next_id(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// `ENODEV` for one that was removed.
    pub fn node(&self, id: u64) -> Result<&Node> {
        self.nodes.get(&id).ok_or(Errno::ENODEV)
    }

    pub fn node_mut(&mut self, id: u64) -> Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or(Errno::ENODEV)
    }

    /// Does `change` to a group and all its ancestors, the lowest first.
    fn upwards(&mut self, id: u64, mut change: impl FnMut(&mut Node)) {
        let mut at = id;
        while let Some(node) = self.nodes.get_mut(&at) {
            change(node);
            at = node.parent;
        }
    }

    /// What is enabled for a group.
    pub fn controllers(&self, id: u64) -> Result<Controllers> {
        let parent = self.node(id)?.parent;
        Ok(match self.nodes.get(&parent) {
            Some(parent) => parent.subtree_control,
            None => self.controllers,
        })
    }

    /// Whether another group may be made in `parent`. `EEXIST`, `EAGAIN`.
    pub fn check_new(&self, parent: u64, name: &[u8]) -> Result<()> {
        let node = self.node(parent)?;
        if node.names.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        if node.group.depth() >= MAX_DEPTH {
            return Err(Errno::EAGAIN);
        }
        let (mut at, mut below) = (parent, 1);
        while let Some(node) = self.nodes.get(&at) {
            if node.descendants >= node.max_descendants.0 || below > node.max_depth.0 {
                return Err(Errno::EAGAIN);
            }
            (at, below) = (node.parent, below + 1);
        }
        Ok(())
    }

    /// Adds a group, after [`Self::check_new`] under the same lock. `ENOMEM`.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: may_allocate was asked, and the heap keeps a reserve for such"
    )]
    pub fn add(&mut self, parent: u64, group: Arc<Group>) -> Result<()> {
        may_allocate()?;
        let name = try_copy(group.name())?;
        self.nodes.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let node = self.node_mut(parent)?;
        node.names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let (id, freezing) = (group.id(), node.freezing);
        node.names.insert(name.into_boxed_slice(), id);
        node.children.insert(id);
        self.nodes.insert(id, Node::new(group, parent, freezing));
        self.upwards(parent, |node| node.descendants += 1);
        Ok(())
    }

    /// Takes a group out. `EBUSY` while there are processes or groups in it.
    pub fn remove(&mut self, parent: u64, name: &[u8]) -> Result<Node> {
        let found = self.node(parent)?.names.get(name).copied();
        let id = found.ok_or(Errno::ENOENT)?;
        let node = self.node(id)?;
        if node.is_populated() || !node.children.is_empty() {
            return Err(Errno::EBUSY);
        }
        let above = self.node_mut(parent)?;
        above.names.remove(name);
        above.children.remove(&id);
        self.upwards(parent, |node| node.descendants -= 1);
        self.nodes.remove(&id).ok_or(Errno::ENOENT)
    }

    /// The group of that name in `parent`.
    pub fn child(&self, parent: u64, name: &[u8]) -> Result<&Arc<Group>> {
        let id = self.node(parent)?.names.get(name).ok_or(Errno::ENOENT)?;
        Ok(&self.node(*id)?.group)
    }

    /// The first child whose number is above `after`.
    pub fn child_after(&self, parent: u64, after: u64) -> Option<&Arc<Group>> {
        let children = &self.nodes.get(&parent)?.children;
        let next = children.range((Excluded(after), Unbounded)).next()?;
        self.nodes.get(next).map(|node| &node.group)
    }

    /// The group that comes after `at` in the tree below `top`, parents before
    /// children.
    fn next_below(&self, top: u64, mut at: u64) -> Option<u64> {
        if let Some(first) = self.nodes.get(&at)?.children.first() {
            return Some(*first);
        }
        while at != top {
            let parent = self.nodes.get(&at)?.parent;
            let siblings = &self.nodes.get(&parent)?.children;
            if let Some(next) = siblings.range((Excluded(at), Unbounded)).next() {
                return Some(*next);
            }
            at = parent;
        }
        None
    }

    /// A group and all below it, parents before children.
    pub fn subtree(&self, top: u64) -> impl Iterator<Item = &Node> {
        let first = self.nodes.contains_key(&top).then_some(top);
        let ids = core::iter::successors(first, move |at| self.next_below(top, *at));
        ids.filter_map(|id| self.nodes.get(&id))
    }

    /// The group's own processes.
    pub fn members(&self, id: u64) -> Result<impl ExactSizeIterator<Item = u32>> {
        Ok(self.node(id)?.members.keys().copied())
    }

    /// How many processes are in the group or below.
    pub fn live(&self, id: u64) -> usize {
        self.nodes.get(&id).map_or(0, |node| node.live)
    }

    /// Whether a process may come into a group. `EOPNOTSUPP` where it is no
    /// domain, `EBUSY` where only groups may be ("no internal processes").
    pub fn check_enter(&self, id: u64) -> Result<()> {
        if !self.is_valid_domain(id)? {
            return Err(Errno::EOPNOTSUPP);
        }
        let node = self.node(id)?;
        match node.can_be_thread_root() || node.subtree_control.is_empty() {
            true => Ok(()),
            false => Err(Errno::EBUSY),
        }
    }

    fn is_valid_domain(&self, id: u64) -> Result<bool> {
        let mut at = self.node(id)?.parent;
        while let Some(node) = self.nodes.get(&at) {
            if node.is_thread_root() {
                return Ok(false);
            }
            at = node.parent;
        }
        Ok(true)
    }

    /// What `cgroup.type` says.
    pub fn kind(&self, id: u64) -> Result<&'static str> {
        let threaded = self.node(id)?.is_thread_root();
        Ok(match (self.is_valid_domain(id)?, threaded) {
            (false, _) => "domain invalid",
            (true, true) => "domain threaded",
            (true, false) => "domain",
        })
    }

    /// Room for one process more. `ENOMEM`.
    pub fn reserve(&mut self, id: u64) -> Result<()> {
        let members = &mut self.node_mut(id)?.members;
        members.try_reserve(1).map_err(|_| Errno::ENOMEM)
    }

    /// A process comes into a group in which there is room.
    pub fn enter(&mut self, id: u64, pid: u32) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.members.insert(pid, false).is_none() {
            self.count(id, 1, 0);
        }
    }

    /// A process leaves its group.
    pub fn leave(&mut self, id: u64, pid: u32) {
        let member = self.nodes.get_mut(&id).map(|node| &mut node.members);
        if let Some(frozen) = member.and_then(|members| members.remove(&pid)) {
            self.count(id, -1, -isize::from(frozen));
        }
    }

    /// A process stands still from now on, or no longer.
    pub fn set_frozen(&mut self, id: u64, pid: u32, frozen: bool) {
        let node = self.nodes.get_mut(&id);
        let Some(own) = node.and_then(|node| node.members.get_mut(&pid)) else {
            return;
        };
        if core::mem::replace(own, frozen) != frozen {
            self.count(id, 0, if frozen { 1 } else { -1 });
        }
    }

    fn count(&mut self, id: u64, live: isize, frozen: isize) {
        // By how many of the children below have got, or lost, their first.
        let mut children = 0;
        self.upwards(id, |node| {
            let was_populated = node.is_populated();
            node.change(|node| {
                node.live = node.live.saturating_add_signed(live);
                node.frozen = node.frozen.saturating_add_signed(frozen);
                node.populated_children = node.populated_children.saturating_add_signed(children);
            });
            children = isize::from(node.is_populated()) - isize::from(was_populated);
        });
    }

    /// Sets `cgroup.freeze` of a group; whether that changes anything for it
    /// and those below.
    pub fn set_freeze(&mut self, top: u64, freeze: bool) -> Result<bool> {
        let parent = self.node(top)?.parent;
        let from_above = self.nodes.get(&parent).is_some_and(|node| node.freezing);
        let node = self.node_mut(top)?;
        node.freeze = freeze;
        if node.freezing == (freeze || from_above) {
            return Ok(false);
        }
        let mut at = Some(top);
        while let Some(id) = at {
            let parent = self.node(id)?.parent;
            let above = self.nodes.get(&parent).is_some_and(|node| node.freezing);
            let node = self.node_mut(id)?;
            node.change(|node| node.freezing = node.freeze || above);
            at = self.next_below(top, id);
        }
        Ok(true)
    }

    /// `cgroup.subtree_control` is written; the controllers that children have
    /// lost. `ENOENT` for what the group has not, `EBUSY` while a child gives it
    /// on, or where there are processes; `EOPNOTSUPP` where it is no domain.
    pub fn control(&mut self, id: u64, on: Controllers, off: Controllers) -> Result<Controllers> {
        let own = self.controllers(id)?;
        let node = self.node(id)?;
        let on = on - node.subtree_control;
        let off = off & node.subtree_control;
        if !own.contains(on) {
            return Err(Errno::ENOENT);
        }
        let given_on = node
            .children
            .iter()
            .filter_map(|child| self.nodes.get(child))
            .any(|child| child.subtree_control.intersects(off));
        if given_on {
            return Err(Errno::EBUSY);
        }
        self.check_enable(id, on)?;
        let node = self.node_mut(id)?;
        node.subtree_control = (node.subtree_control | on) - off;
        Ok(off)
    }

    fn check_enable(&self, id: u64, on: Controllers) -> Result<()> {
        let node = self.node(id)?;
        if on.is_empty() || node.group.is_root() {
            return Ok(());
        }
        if !self.is_valid_domain(id)? {
            return Err(Errno::EOPNOTSUPP);
        }
        if on.intersects(Controllers::DOMAIN) {
            if node.is_thread_root() {
                return Err(Errno::EOPNOTSUPP);
            }
        } else if node.can_be_thread_root() {
            return Ok(());
        }
        match node.members.is_empty() {
            true => Ok(()),
            false => Err(Errno::EBUSY),
        }
    }
}
