//! Process groups and sessions (setpgid(2), setsid(2)).

use super::family::PARTS;
use super::rings::{Kind, Ring};
use super::{Member, State, Tree};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// A process group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    /// Its members, those that have ended included.
    pub(super) members: Ring,
    session: u32,
    /// Members with a parent in the same session but another group.
    ties: usize,
}

impl<P: Member> Tree<P> {
    /// Makes room for one more group and session. `ENOMEM`.
    pub(super) fn reserve_group(&mut self) -> Result<()> {
        self.groups.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.sessions.try_reserve(1).map_err(|_| Errno::ENOMEM)
    }

    /// The process, which is in none, becomes a member of its group and
    /// session, which may be new: [`Self::reserve_group`] has made room.
    pub(super) fn join_group(&mut self, pid: u32) {
        let Some(node) = self.nodes.get(&pid) else {
            return;
        };
        let (number, session) = (node.group, node.session);
        let mut group = self.groups.get(&number).copied().unwrap_or_default();
        group.session = session;
        self.push(&mut group.members, Kind::Group, pid);
        self.groups.insert(number, group);
        let mut members = self.sessions.get(&session).copied().unwrap_or_default();
        self.push(&mut members, Kind::Session, pid);
        self.sessions.insert(session, members);
        self.look_at_tie(pid);
    }

    /// The process is in no group and session until it joins others.
    pub(super) fn leave_group(&mut self, pid: u32) {
        self.set_tie(pid, false);
        let Some(node) = self.nodes.get(&pid) else {
            return;
        };
        let (number, session) = (node.group, node.session);
        if let Some(mut group) = self.groups.remove(&number) {
            self.unlink(&mut group.members, Kind::Group, pid);
            if !group.members.is_empty() {
                self.groups.insert(number, group);
            }
        }
        if let Some(mut members) = self.sessions.remove(&session) {
            self.unlink(&mut members, Kind::Session, pid);
            if !members.is_empty() {
                self.sessions.insert(session, members);
            }
        }
    }

    fn set_tie(&mut self, pid: u32, is_tie: bool) {
        let Some(node) = self.nodes.get_mut(&pid) else {
            return;
        };
        let was = core::mem::replace(&mut node.is_tie, is_tie);
        if let Some(group) = self.groups.get_mut(&node.group) {
            group.ties = group.ties + usize::from(is_tie) - usize::from(was);
        }
    }

    /// What decides whether the process ties its group to its session has
    /// changed.
    pub(super) fn look_at_tie(&mut self, pid: u32) {
        let Some(node) = self.nodes.get(&pid) else {
            return;
        };
        let parent = self.nodes.get(&node.parent);
        let is_tie = !node.is_zombie()
            && parent
                .is_some_and(|parent| parent.session == node.session && parent.group != node.group);
        self.set_tie(pid, is_tie);
    }

    /// The process goes to another group and session.
    fn move_to(&mut self, pid: u32, group: u32, session: u32) -> Result<()> {
        self.reserve_group()?;
        self.leave_group(pid);
        let node = self.node_mut(pid)?;
        let old = [node.group, node.session];
        (node.group, node.session) = (group, session);
        self.join_group(pid);
        old.into_iter().for_each(|id| self.forget_names(id));
        for part in PARTS {
            let mut next = self.children(pid, part).first();
            while let Some(child) = next {
                self.look_at_tie(child);
                next = self.after(child, Kind::Children);
            }
        }
        Ok(())
    }

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
        self.groups.get(&group).map(|group| group.session)
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
        self.move_to(pid, group, session)
    }

    /// setsid(2): the process leads a new session and group. `EPERM` if a
    /// group has its number already.
    pub fn new_session(&mut self, pid: u32) -> Result<u32> {
        if self.groups.contains_key(&pid) {
            return Err(Errno::EPERM);
        }
        self.move_to(pid, pid, pid)?;
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
        let Some(group) = self.groups.get(&group) else {
            return false;
        };
        self.members(group.members, Kind::Group)
            .filter(|(_, node)| !node.is_zombie())
            .for_each(|(_, node)| each(&node.process));
        true
    }

    /// Calls `each` for every member of a session that is no zombie. It must
    /// not sleep.
    pub fn for_each_in_session(&self, session: u32, mut each: impl FnMut(&Arc<P>)) {
        let members = self.sessions.get(&session).copied().unwrap_or_default();
        self.members(members, Kind::Session)
            .filter(|(_, node)| !node.is_zombie())
            .for_each(|(_, node)| each(&node.process));
    }

    /// Whether no member's parent is in the same session but another group:
    /// nobody could continue it (POSIX, "orphaned process group").
    pub fn is_orphaned(&self, group: u32) -> bool {
        self.groups.get(&group).is_none_or(|group| group.ties == 0)
    }

    /// The groups that may become orphaned when the process ends: its own,
    /// and those of its children; only those that are not already.
    pub(super) fn linked_groups(&self, pid: u32) -> Result<Vec<u32>> {
        let own = self.node(pid)?.group;
        let mut groups = Vec::new();
        let children = self.all_children(pid).map(|(_, node)| node.group);
        for group in core::iter::once(own).chain(children) {
            // Without memory some orphans are not told: no worse than a
            // signal that they ignore.
            if groups.last() != Some(&group)
                && !self.is_orphaned(group)
                && groups.try_reserve(1).is_ok()
            {
                groups.push(group);
            }
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    }

    pub(super) fn hang_up_orphans(&self, groups: &[u32], hang_up: &mut dyn FnMut(&Arc<P>)) {
        for &group in groups {
            let Some(members) = self.groups.get(&group).map(|group| group.members) else {
                continue;
            };
            let mut members = self.members(members, Kind::Group);
            if self.is_orphaned(group)
                && members.any(|(_, node)| matches!(node.state, State::Stopped))
            {
                self.for_each_in_group(group, |process| hang_up(process));
            }
        }
    }
}
