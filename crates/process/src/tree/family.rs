//! Parents and children. A parent has its children in three lists, by what
//! wait(2) may find.

use super::rings::{Kind, Ring};
use super::{Member, Node, REAPER, Tree};

/// Which of its parent's lists a child is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// There is nothing to wait for yet.
    Living,
    /// It has stopped or continued, and nobody has waited for that.
    Changed,
    /// It has ended: in the order of the ends.
    Ended,
}

/// All of them.
pub(super) const PARTS: [Part; 3] = [Part::Living, Part::Changed, Part::Ended];

impl<P> Node<P> {
    fn part(&self) -> Part {
        if self.is_zombie() {
            Part::Ended
        } else if self.news.is_some() {
            Part::Changed
        } else {
            Part::Living
        }
    }
}

impl<P: Member> Tree<P> {
    /// The list of a parent's children; an empty one if it is gone.
    pub(super) fn children(&self, parent: u32, part: Part) -> Ring {
        let node = self.nodes.get(&parent);
        node.map_or(Ring::default(), |node| node.children[part as usize])
    }

    fn set_children(&mut self, parent: u32, part: Part, ring: Ring) {
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children[part as usize] = ring;
        }
    }

    /// All children of a process.
    pub(super) fn all_children(&self, parent: u32) -> impl Iterator<Item = (u32, &Node<P>)> {
        let lists = PARTS.map(|part| self.children(parent, part));
        lists
            .into_iter()
            .flat_map(|ring| self.members(ring, Kind::Children))
    }

    /// Calls `each` for every child of a process, also for those that have
    /// ended and nobody has waited for. It must not sleep.
    pub fn for_each_child(&self, parent: u32, mut each: impl FnMut(u32)) {
        for (child, _) in self.all_children(parent) {
            each(child);
        }
    }

    /// The process is to be in the right list of its parent from now on, if
    /// the parent is there.
    pub(super) fn join_parent(&mut self, pid: u32) {
        let Some(node) = self.nodes.get(&pid) else {
            return;
        };
        let (parent, part) = (node.parent, node.part());
        let is_there = self.nodes.contains_key(&parent);
        if let Some(node) = self.nodes.get_mut(&pid) {
            node.has_parent = is_there;
        }
        if is_there {
            let mut ring = self.children(parent, part);
            self.push(&mut ring, Kind::Children, pid);
            self.set_children(parent, part, ring);
        }
    }

    /// Takes the process out of its parent's list, before what decides on the
    /// list is changed; [`Self::join_parent`] puts it into the next one.
    pub(super) fn leave_parent(&mut self, pid: u32) {
        let Some(node) = self.nodes.get(&pid).filter(|node| node.has_parent) else {
            return;
        };
        let (parent, part) = (node.parent, node.part());
        let mut ring = self.children(parent, part);
        self.unlink(&mut ring, Kind::Children, pid);
        self.set_children(parent, part, ring);
    }

    /// Changes what decides on the list that a process is in.
    pub(super) fn change(&mut self, pid: u32, change: impl FnOnce(&mut Node<P>)) {
        self.leave_parent(pid);
        if let Some(node) = self.nodes.get_mut(&pid) {
            change(node);
        }
        self.join_parent(pid);
    }

    /// The parent is about to go: those children that nobody has inherited
    /// have none from now on.
    pub(super) fn abandon_children(&mut self, parent: u32) {
        for part in PARTS {
            while let Some(child) = self.children(parent, part).first() {
                self.leave_parent(child);
                if let Some(node) = self.nodes.get_mut(&child) {
                    node.has_parent = false;
                }
            }
        }
    }

    /// Process 1 is new: those whose parent was the one before it are its
    /// children.
    pub(super) fn adopt_orphans(&mut self) {
        let mut pid = REAPER;
        while let Some(next) = self.next_pid(pid + 1) {
            pid = next;
            let is_orphan = |node: &Node<P>| node.parent == REAPER && !node.has_parent;
            if self.nodes.get(&pid).is_some_and(is_orphan) {
                self.join_parent(pid);
                self.look_at_tie(pid);
            }
        }
    }
}
