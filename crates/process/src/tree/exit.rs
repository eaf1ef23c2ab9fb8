//! Ends: who is told, and who inherits the children.

use super::family::PARTS;
use super::{Local, Member, State, Tree};
use crate::status::{Usage, WaitStatus};
use alloc::sync::Arc;
use paddock_abi::Result;

/// What a process has lost with another's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bereft {
    /// Its parent (`PR_SET_PDEATHSIG`).
    Child,
    /// The last tie of its stopped group: it gets `SIGHUP` and `SIGCONT`.
    Group,
}

/// Whom an end concerns.
#[derive(Debug)]
pub struct ExitEffects<P> {
    /// The parent, to be woken and sent `exit_signal`.
    pub parent: Option<Arc<P>>,
    /// What the parent knows the process as.
    pub number: Local,
    /// The signal for the parent; zero for none.
    pub exit_signal: u32,
    /// Whoever has inherited a zombie and should be woken.
    pub reaper: Option<Arc<P>>,
    /// What that one knows the process as.
    pub number_to_reaper: Local,
    /// The process itself, if it left no zombie: drop it outside the lock.
    pub gone: Option<Arc<P>>,
}

impl<P: Member> Tree<P> {
    /// The process has ended, all its threads and what it owned are gone.
    /// Its children pass to the nearest subreaper above it in its PID namespace, or to
    /// the process 1 there;
    /// `tell` is called for them, and for every process of a group that this
    /// leaves orphaned with a stopped member. With `reap` it leaves no zombie.
    /// `ESRCH`.
    pub fn exit(
        &mut self,
        pid: u32,
        status: WaitStatus,
        usage: Usage,
        reap: bool,
        mut tell: impl FnMut(Bereft, &Arc<P>),
    ) -> Result<ExitEffects<P>> {
        let affected = self.linked_groups(pid)?;
        let node = self.node(pid)?;
        let (parent, exit_signal) = (node.parent, node.exit_signal);
        if self.leads_space(pid) {
            self.end_space(&self.space_of(pid));
        }
        let reaper = self.reaper_for(pid);
        // First, as those of them that have ended did so before this one.
        let inherited_zombie = self.reparent(pid, reaper, &mut tell);
        self.change(pid, |node| {
            node.state = State::Zombie { status, usage };
            node.news = None;
        });
        self.look_at_tie(pid);
        self.hang_up_orphans(&affected, &mut |process| tell(Bereft::Group, process));
        let mut effects = ExitEffects {
            parent: self.get(parent),
            number: self.number_for(parent, pid),
            exit_signal,
            reaper: self.get(reaper).filter(|_| inherited_zombie),
            number_to_reaper: self.number_for(reaper, pid),
            gone: None,
        };
        if reap || effects.parent.is_none() {
            effects.gone = self.remove(pid);
        }
        Ok(effects)
    }

    /// Who inherits a process's children: the nearest subreaper among its
    /// ancestors in its PID namespace, or the process 1 there.
    fn reaper_for(&self, pid: u32) -> u32 {
        let mut at = pid;
        // A parent is older than its child: this ends.
        while let Some(node) = self.nodes.get(&at) {
            if !self.are_together(at, pid) {
                break;
            }
            if at != pid && node.subreaper && !node.is_zombie() {
                return at;
            }
            at = node.parent;
        }
        self.first_around(pid)
    }

    /// `PR_SET_CHILD_SUBREAPER`. `ESRCH`.
    pub fn set_subreaper(&mut self, pid: u32, on: bool) -> Result<()> {
        self.node_mut(pid)?.subreaper = on;
        Ok(())
    }

    /// `PR_GET_CHILD_SUBREAPER`. `ESRCH`.
    pub fn is_subreaper(&self, pid: u32) -> Result<bool> {
        Ok(self.node(pid)?.subreaper)
    }

    /// Passes a process's children to `reaper`; whether a zombie is among
    /// them.
    fn reparent(&mut self, pid: u32, reaper: u32, tell: &mut impl FnMut(Bereft, &Arc<P>)) -> bool {
        if reaper == pid {
            return false;
        }
        let mut zombie = false;
        for part in PARTS {
            while let Some(child) = self.children(pid, part).first() {
                let number = self.number_for(child, reaper);
                self.change(child, |child| {
                    (child.parent, child.maker) = (reaper, reaper);
                    child.process.set_parent(number);
                    if !child.is_zombie() {
                        tell(Bereft::Child, &child.process);
                    }
                    child.exit_signal = paddock_abi::signal::SIGCHLD;
                    zombie |= child.is_zombie();
                });
                self.look_at_tie(child);
            }
        }
        zombie
    }
}
