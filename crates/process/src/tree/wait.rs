//! Waiting for children (wait4(2), waitid(2)).

use super::{Member, Node, State, Tree};
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
    /// A child of `parent` that has news of the kinds in `options`, or `None`
    /// if there are children but no news. `ECHILD`.
    pub fn wait(
        &mut self,
        parent: u32,
        which: Selector,
        options: WaitOptions,
    ) -> Result<Option<Waited<P>>> {
        let mut any = false;
        let mut best: Option<(u64, u32)> = None;
        for (&pid, node) in &self.nodes {
            if node.parent != parent || !selected(pid, node, which, options) {
                continue;
            }
            any = true;
            if let Some(order) = news_order(node, options)
                && best.is_none_or(|(oldest, _)| order < oldest)
            {
                best = Some((order, pid));
            }
        }
        match best {
            Some((_, pid)) => self.collect(parent, pid, options).map(Some),
            None if any => Ok(None),
            None => Err(Errno::ECHILD),
        }
    }

    fn collect(&mut self, parent: u32, pid: u32, options: WaitOptions) -> Result<Waited<P>> {
        let keep = options.contains(WaitOptions::NOWAIT);
        let node = self.node_mut(pid)?;
        let uid = node.uid;
        if let State::Zombie { status, usage, .. } = node.state {
            let mut usage = usage;
            usage.add(&node.children_usage);
            let gone = if keep {
                None
            } else {
                self.reap(parent, pid, &usage)
            };
            return Ok(Waited {
                pid,
                uid,
                status,
                usage,
                gone,
            });
        }
        let news = if keep { node.news } else { node.news.take() };
        let status = news.ok_or(Errno::ECHILD)?;
        Ok(Waited {
            pid,
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

fn selected<P>(pid: u32, node: &Node<P>, which: Selector, options: WaitOptions) -> bool {
    let by_kind = options.contains(WaitOptions::ALL)
        || options.contains(WaitOptions::CLONE) == (node.exit_signal != SIGCHLD);
    by_kind
        && match which {
            Selector::Any => true,
            Selector::Pid(wanted) => pid == wanted,
            Selector::Group(group) => node.group == group,
        }
}

/// When the child's news came, if it has any of the wanted kinds: ends in
/// their order, then stops and continuations.
fn news_order<P>(node: &Node<P>, options: WaitOptions) -> Option<u64> {
    match (&node.state, node.news) {
        (State::Zombie { order, .. }, _) => options.contains(WaitOptions::EXITED).then_some(*order),
        (_, Some(WaitStatus::Stopped(_))) => {
            options.contains(WaitOptions::UNTRACED).then_some(u64::MAX)
        }
        (_, Some(WaitStatus::Continued)) => {
            options.contains(WaitOptions::CONTINUED).then_some(u64::MAX)
        }
        _ => None,
    }
}
