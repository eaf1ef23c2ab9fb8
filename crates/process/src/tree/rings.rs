//! The lists that processes are in. Each process carries its own links, so
//! that nothing allocates, and nobody is looked for, when one comes or goes.

use super::{Node, Tree};
use core::iter::successors;

/// No process.
const NONE: u32 = 0;

/// Whose list it is that a link belongs to: a process is in one of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a parent's children; see [`super::family::Part`].
    Children,
    /// Of the members of a group.
    Group,
    /// Of the members of a session.
    Session,
}

/// How many kinds there are.
pub(super) const KINDS: usize = 3;

/// A process's place in a list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    before: u32,
    after: u32,
}

/// A list of processes, in the order in which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ring {
    first: u32,
    last: u32,
}

impl Ring {
    /// Whether nobody is in it.
    pub(super) fn is_empty(self) -> bool {
        self.first == NONE
    }

    /// Who is in it for longest.
    pub(super) fn first(self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }
}

impl<P> Tree<P> {
    fn link(&mut self, pid: u32, kind: Kind) -> Option<&mut Link> {
        let node = self.nodes.get_mut(&pid)?;
        node.links.get_mut(kind as usize)
    }

    /// Adds a process, which is in no list of this kind, at the end of `ring`.
    pub(super) fn push(&mut self, ring: &mut Ring, kind: Kind, pid: u32) {
        let place = Link {
            before: ring.last,
            after: NONE,
        };
        let Some(link) = self.link(pid, kind) else {
            return;
        };
        *link = place;
        match self.link(place.before, kind) {
            Some(before) => before.after = pid,
            None => ring.first = pid,
        }
        ring.last = pid;
    }

    /// Takes a process out of `ring`, where it is.
    pub(super) fn unlink(&mut self, ring: &mut Ring, kind: Kind, pid: u32) {
        let Some(Link { before, after }) = self.link(pid, kind).map(core::mem::take) else {
            return;
        };
        match self.link(before, kind) {
            Some(link) => link.after = after,
            None => ring.first = after,
        }
        match self.link(after, kind) {
            Some(link) => link.before = before,
            None => ring.last = before,
        }
    }

    /// Who comes after a process in its list.
    pub(super) fn after(&self, pid: u32, kind: Kind) -> Option<u32> {
        let after = self.nodes.get(&pid)?.links[kind as usize].after;
        (after != NONE).then_some(after)
    }

    /// Those who are in `ring`.
    pub(super) fn members(&self, ring: Ring, kind: Kind) -> impl Iterator<Item = (u32, &Node<P>)> {
        let next = move |pid: u32| {
            let node = self.nodes.get(&pid)?;
            Some((pid, node))
        };
        successors(next(ring.first), move |(_, node)| {
            next(node.links[kind as usize].after)
        })
    }
}
