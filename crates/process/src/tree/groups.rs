//! Process groups and sessions (setpgid(2), setsid(2)).

use super::{Member, Node, State, Tree};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

impl<P: Member> Tree<P> {
    /// The process's group. `ESRCH`.
    pub fn group(&self, pid: u32) -> Result<u32> {
        Ok(self.node(pid)?.group)
    }

    /// The process's session. `ESRCH`.
    pub fn session(&self, pid: u32) -> Result<u32> {
        Ok(self.node(pid)?.session)
    }

    /// Whether a group exists, and in which session.
    pub fn group_session(&self, group: u32) -> Option<u32> {
        self.nodes
            .values()
            .find(|node| node.group == group)
            .map(|node| node.session)
    }

    /// setpgid(2) by `caller`, with zeroes already replaced. `ESRCH`,
    /// `EPERM`, `EACCES`.
    pub fn set_group(&mut self, caller: u32, pid: u32, group: u32) -> Result<()> {
        let session = self.session(caller)?;
        let target = self.node(pid)?;
        if pid != caller && target.parent != caller {
            return Err(Errno::ESRCH);
        }
        if target.session != session || target.session == pid {
            return Err(Errno::EPERM);
        }
        if pid != caller && target.execed {
            return Err(Errno::EACCES);
        }
        if group != pid && self.group_session(group) != Some(session) {
            return Err(Errno::EPERM);
        }
        self.node_mut(pid)?.group = group;
        Ok(())
    }

    /// setsid(2): the process leads a new session and group. `EPERM` if a
    /// group has its number already.
    pub fn new_session(&mut self, pid: u32) -> Result<u32> {
        if self.nodes.values().any(|node| node.group == pid) {
            return Err(Errno::EPERM);
        }
        let node = self.node_mut(pid)?;
        (node.group, node.session) = (pid, pid);
        Ok(pid)
    }

    /// A signal to several processes begins: who is to get it is found out
    /// under the same lock. [`Self::end_broadcast`] ends it.
    pub fn begin_broadcast(&mut self) {
        self.broadcasts.0 += 1;
    }

    /// All who were to get the signal have it.
    pub fn end_broadcast(&mut self) {
        self.broadcasts.1 += 1;
    }

    /// What a fork remembers from its beginning, for
    /// [`Self::misses_broadcast`]: one that is under way then may reach the
    /// parent after the child has got its copy of what is pending.
    pub fn broadcasts(&self) -> u64 {
        self.broadcasts.1
    }

    /// Whether a child of a fork that began at `since`, added now, would miss
    /// a signal that its parent gets: then the fork has to begin anew.
    pub fn misses_broadcast(&self, since: u64) -> bool {
        self.broadcasts.0 != since
    }

    /// Calls `each` for every member of a group that is no zombie; whether
    /// the group has members at all. It must not sleep.
    pub fn for_each_in_group(&self, group: u32, mut each: impl FnMut(&Arc<P>)) -> bool {
        let mut found = false;
        for node in self.nodes.values().filter(|node| node.group == group) {
            found = true;
            if !node.is_zombie() {
                each(&node.process);
            }
        }
        found
    }

    /// Calls `each` for every member of a session that is no zombie. It must
    /// not sleep.
    pub fn for_each_in_session(&self, session: u32, mut each: impl FnMut(&Arc<P>)) {
        let members = self.nodes.values().filter(|node| node.session == session);
        members
            .filter(|node| !node.is_zombie())
            .for_each(|node| each(&node.process));
    }

    /// Whether no member's parent is in the same session but another group:
    /// nobody could continue it (POSIX, "orphaned process group").
    pub fn is_orphaned(&self, group: u32) -> bool {
        !self
            .nodes
            .values()
            .any(|node| node.group == group && !node.is_zombie() && self.links(node))
    }

    fn links(&self, node: &Node<P>) -> bool {
        self.nodes
            .get(&node.parent)
            .is_some_and(|parent| parent.session == node.session && parent.group != node.group)
    }

    /// The groups that may become orphaned when the process ends: its own,
    /// and those of its children; only those that are not already.
    pub(super) fn linked_groups(&self, pid: u32) -> Result<Vec<u32>> {
        let own = self.node(pid)?.group;
        let mut groups = Vec::new();
        let children = self.nodes.values().filter(|node| node.parent == pid);
        for group in core::iter::once(own).chain(children.map(|node| node.group)) {
            // Without memory some orphans are not told: no worse than a
            // signal that they ignore.
            if !groups.contains(&group) && !self.is_orphaned(group) && groups.try_reserve(1).is_ok()
            {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    pub(super) fn hang_up_orphans(&self, groups: &[u32], hang_up: &mut dyn FnMut(&Arc<P>)) {
        for &group in groups {
            let stopped = self
                .nodes
                .values()
                .any(|node| node.group == group && matches!(node.state, State::Stopped));
            if stopped && self.is_orphaned(group) {
                self.for_each_in_group(group, |process| hang_up(process));
            }
        }
    }
}
