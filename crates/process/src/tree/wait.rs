//! Waiting for children (wait4(2), waitid(2)).

use super::family::Part;
use super::rings::Kind;
use super::{Local, Member, Node, State, Tree};
use crate::status::{Usage, WaitStatus};
use alloc::sync::Arc;
use paddock_abi::process::WaitOptions;
use paddock_abi::signal::SIGCHLD;
use paddock_abi::{Errno, Result};

/// Which children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Any.
    Any,
    /// This one.
    Pid(u32),
    /// Those of this group.
    Group(u32),
}

/// A child that was waited for.
#[derive(Debug)]
pub struct Waited<P> {
    /// Its number.
    pub pid: u32,
    /// What who waited knows it as.
    pub number: Local,
    /// Its user.
    pub uid: u32,
    /// What has happened to it.
    pub status: WaitStatus,
    /// What it used, with its own reaped children.
    pub usage: Usage,
    /// The process, if it is gone now: drop it outside the lock.
    pub gone: Option<Arc<P>>,
}

impl<P: Member> Tree<P> {
    /// As [`Self::wait_by`], of the children of all threads.
    pub fn wait(
        &mut self,
        parent: u32,
        which: Selector,
        options: WaitOptions,
    ) -> Result<Option<Waited<P>>> {
        self.wait_by(parent, parent, which, options - WaitOptions::NOTHREAD)
    }

    /// A child of `parent`, or a thread that it traces, that has news of the kinds in
    /// `options`, or `None` if there are some but no news. With `NOTHREAD` only of those
    /// that this thread of the parent has made; those of a thread that has ended are the
    /// first one's. `ECHILD`.
    pub fn wait_by(
        &mut self,
        thread: u32,
        parent: u32,
        which: Selector,
        options: WaitOptions,
    ) -> Result<Option<Waited<P>>> {
        let by = (parent, thread);
        let found = match which {
            Selector::Pid(pid) => self.look_at(by, pid, options),
            Selector::Any | Selector::Group(_) => self.look_for(by, which, options),
        };
        match found {
            Ok(Some(pid)) => self.collect(parent, pid, options).map(Some),
            none => self.wait_for_tracee(parent, which, options, none.map(|_| ())),
        }
    }

    /// A child, if it has news.
    fn look_at(
        &self,
        (parent, thread): (u32, u32),
        pid: u32,
        options: WaitOptions,
    ) -> Result<Option<u32>> {
        let child = self.nodes.get(&pid).filter(|node| {
            node.parent == parent
                && selected(node, Selector::Pid(pid), options)
                && self.is_made_by(node, thread, options)
        });
        let child = child.ok_or(Errno::ECHILD)?;
        Ok(has_news(child, options).then_some(pid))
    }

    /// The first child with news: those that have ended, in their order, then
    /// those that have stopped or continued.
    fn look_for(
        &self,
        (parent, thread): (u32, u32),
        which: Selector,
        options: WaitOptions,
    ) -> Result<Option<u32>> {
        let selected = |node: &Node<P>| {
            selected(node, which, options) && self.is_made_by(node, thread, options)
        };
        for part in [Part::Ended, Part::Changed] {
            let ring = self.children(parent, part);
            let mut children = self.members(ring, Kind::Children);
            let found = children.find(|(_, node)| selected(node) && has_news(node, options));
            if let Some((pid, _)) = found {
                return Ok(Some(pid));
            }
        }
        let mut children = self.all_children(parent);
        match children.any(|(_, node)| selected(node)) {
            true => Ok(None),
            false => Err(Errno::ECHILD),
        }
    }

    /// Whether a child is one that a thread of its parent's waits for.
    fn is_made_by(&self, node: &Node<P>, thread: u32, options: WaitOptions) -> bool {
        if !options.contains(WaitOptions::NOTHREAD) || node.maker == thread {
            return true;
        }
        let maker = self.threads.get(&node.maker);
        let is_there = maker.is_some_and(|maker| maker.process == node.parent);
        !is_there && thread == node.parent
    }

    fn collect(&mut self, parent: u32, pid: u32, options: WaitOptions) -> Result<Waited<P>> {
        let keep = options.contains(WaitOptions::NOWAIT);
        let node = self.node(pid)?;
        let uid = node.uid;
        let number = self.number_for(parent, pid);
        if let State::Zombie { status, usage } = node.state {
            let mut usage = usage;
            usage.add(&node.children_usage);
            let gone = if keep {
                None
            } else {
                self.reap(parent, pid, &usage)
            };
            return Ok(Waited {
                pid,
                number,
                uid,
                status,
                usage,
                gone,
            });
        }
        let status = node.news.ok_or(Errno::ECHILD)?;
        if !keep {
            self.change(pid, |node| node.news = None);
        }
        Ok(Waited {
            pid,
            number,
            uid,
            status,
            usage: Usage::default(),
            gone: None,
        })
    }

    fn reap(&mut self, parent: u32, pid: u32, usage: &Usage) -> Option<Arc<P>> {
        if let Ok(parent) = self.node_mut(parent) {
            parent.children_usage.add(usage);
        }
        self.remove(pid)
    }
}

fn selected<P>(node: &Node<P>, which: Selector, options: WaitOptions) -> bool {
    let by_kind = options.contains(WaitOptions::ALL)
        || options.contains(WaitOptions::CLONE) == (node.exit_signal != SIGCHLD);
    by_kind
        && match which {
            Selector::Any | Selector::Pid(_) => true,
            Selector::Group(group) => node.group == group,
        }
}

/// Whether the child has news of the wanted kinds.
fn has_news<P>(node: &Node<P>, options: WaitOptions) -> bool {
    match (&node.state, node.news) {
        (State::Zombie { .. }, _) => options.contains(WaitOptions::EXITED),
        (_, Some(WaitStatus::Stopped(_))) => options.contains(WaitOptions::UNTRACED),
        (_, Some(WaitStatus::Continued)) => options.contains(WaitOptions::CONTINUED),
        _ => false,
    }
}
