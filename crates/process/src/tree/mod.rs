//! [`Tree`]: which processes there are, and who is whose child, group member
//! and session member (credentials(7), wait(2)).
//!
//! Plain data for one short lock: nothing here sleeps. What a process
//! consists of is the caller's `P`; it is only ever handed out, never dropped
//! here, so that its destructor runs outside the lock. No call looks at more
//! processes than it is about.

mod exit;
mod family;
mod groups;
mod numbers;
mod rings;
mod spaces;
mod tasks;
mod traces;
mod wait;

pub use exit::{Bereft, ExitEffects};
pub use spaces::{LEVELS_MAX, Local, PidSpace};
pub use traces::{TraceEnd, Tracee};
pub use wait::{Selector, Waited};

use crate::status::{Usage, WaitStatus};
use alloc::sync::Arc;
use family::PARTS;
use groups::Group;
use hashbrown::HashMap;
use numbers::Numbers;
use paddock_abi::{Errno, Result};
use rings::{KINDS, Link, Ring};
use spaces::Names;
use traces::Traces;

/// The largest process number, as on Linux with default settings.
pub const PID_MAX: u32 = 32768;
/// The process that inherits orphans.
const REAPER: u32 = 1;

/// How many tasks (threads, and processes that have ended and are still waited
/// for) there may be before another one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLimits {
    /// Of the user of the task: `RLIMIT_NPROC`, or none.
    pub user: usize,
    /// Of all users.
    pub total: usize,
}

impl TaskLimits {
    /// No limits.
    pub const NONE: TaskLimits = TaskLimits {
        user: usize::MAX,
        total: usize::MAX,
    };
}

/// The number of a thread, or one that is reserved for a process to come.
struct Task {
    process: u32,
    /// Who reserved it; for those of a process that is there, the process's
    /// user counts.
    uid: u32,
}

/// What a tree has to tell its members.
pub trait Member {
    /// The process's parent is now the one that it knows by this number; nobody that
    /// it knows if there is none, or one outside of its PID namespace. The tree's lock
    /// is held.
    fn set_parent(&self, parent: Local);

    /// The process, which was added, has been waited for: its number is free.
    /// The tree's lock is held.
    fn removed(&self);

    /// All others of its PID namespace, which it has ended ([`Tree::end_space`]), are
    /// gone. The tree's lock is held.
    fn left_alone(&self);
}

enum State {
    Running,
    Stopped,
    Zombie { status: WaitStatus, usage: Usage },
}

struct Node<P> {
    process: Arc<P>,
    parent: u32,
    /// The thread of its parent that made it.
    maker: u32,
    group: u32,
    session: u32,
    uid: u32,
    /// Sent to the parent at the end; zero for none.
    exit_signal: u32,
    /// Has called execve since its fork.
    execed: bool,
    state: State,
    /// A stop or continuation that nobody has waited for yet.
    news: Option<WaitStatus>,
    /// What its reaped children used.
    children_usage: Usage,
    /// Its threads, the first one and those to come included.
    tasks: usize,
    /// Inherits its descendants' orphans (`PR_SET_CHILD_SUBREAPER`).
    subreaper: bool,
    /// Its children, by what there is to wait for.
    children: [Ring; PARTS.len()],
    /// Its places in others' lists.
    links: [Link; KINDS],
    /// It is in a list of its parent's.
    has_parent: bool,
    /// It counts as one of its group that is tied to its session.
    is_tie: bool,
}

impl<P> Node<P> {
    fn is_zombie(&self) -> bool {
        matches!(self.state, State::Zombie { .. })
    }
}

/// All processes, and the numbers of all threads.
pub struct Tree<P> {
    nodes: HashMap<u32, Node<P>>,
    numbers: Numbers,
    groups: HashMap<u32, Group>,
    sessions: HashMap<u32, Ring>,
    threads: HashMap<u32, Task>,
    /// What those in PID namespaces are called there, by the kernel's numbers.
    names: HashMap<u32, Names>,
    /// How many of them each user has.
    tasks_of: HashMap<u32, usize>,
    last: u32,
    /// The largest number that is given out.
    most: u32,
    /// Signals to several processes that have begun, and that have ended.
    broadcasts: (u64, u64),
    traces: Traces,
}

impl<P: Member> Default for Tree<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Member> Tree<P> {
    /// No processes.
    pub fn new() -> Tree<P> {
        Tree {
            nodes: HashMap::new(),
            numbers: Numbers::new(),
            groups: HashMap::new(),
            sessions: HashMap::new(),
            threads: HashMap::new(),
            names: HashMap::new(),
            tasks_of: HashMap::new(),
            last: 0,
            most: PID_MAX,
            broadcasts: (0, 0),
            traces: Traces::default(),
        }
    }

    /// As [`Self::add_by`], made by the parent's first thread.
    pub fn add(
        &mut self,
        pid: u32,
        parent: Option<u32>,
        process: Arc<P>,
        exit_signal: u32,
    ) -> Result<()> {
        self.add_by(parent.unwrap_or(0), pid, parent, process, exit_signal)
    }

    /// Adds a process under its reserved number, which a thread of its parent's has made.
    /// It joins its parent's group
    /// and session; without a parent it leads its own. `ENOMEM`, also if its PID
    /// namespace has ended; `ESRCH` if the parent is gone. Process 1 has all that had
    /// lost the one before.
    pub fn add_by(
        &mut self,
        maker: u32,
        pid: u32,
        parent: Option<u32>,
        process: Arc<P>,
        exit_signal: u32,
    ) -> Result<()> {
        if self.may_not_come(pid) {
            return Err(Errno::ENOMEM);
        }
        self.nodes.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.reserve_group()?;
        let (group, session, uid) = match parent {
            None => (pid, pid, 0),
            Some(parent) => {
                let parent = self.node(parent)?;
                (parent.group, parent.session, parent.uid)
            }
        };
        process.set_parent(parent.map_or(Local::NOBODY, |parent| self.number_for(pid, parent)));
        let node = Node {
            process,
            parent: parent.unwrap_or(0),
            maker,
            group,
            session,
            uid,
            exit_signal,
            execed: false,
            state: State::Running,
            news: None,
            children_usage: Usage::default(),
            tasks: 1,
            subreaper: false,
            children: [Ring::default(); PARTS.len()],
            links: [Link::default(); KINDS],
            has_parent: false,
            is_tie: false,
        };
        // It may have been reserved as somebody else's.
        if let Some(task) = self.threads.get(&pid) {
            let reserved_for = task.uid;
            self.count(reserved_for, -1);
            self.count(uid, 1);
        }
        self.nodes.insert(pid, node);
        self.numbers.set(pid, true);
        self.join_parent(pid);
        self.join_group(pid);
        if pid == REAPER {
            self.adopt_orphans();
        }
        Ok(())
    }

    fn node(&self, pid: u32) -> Result<&Node<P>> {
        self.nodes.get(&pid).ok_or(Errno::ESRCH)
    }

    fn node_mut(&mut self, pid: u32) -> Result<&mut Node<P>> {
        self.nodes.get_mut(&pid).ok_or(Errno::ESRCH)
    }

    /// The process of that number; a zombie too.
    pub fn get(&self, pid: u32) -> Option<Arc<P>> {
        self.nodes.get(&pid).map(|node| node.process.clone())
    }

    /// The process that a thread belongs to.
    pub fn process_of(&self, tid: u32) -> Option<Arc<P>> {
        self.get(self.threads.get(&tid)?.process)
    }

    /// How many processes there are, zombies too.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no processes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The lowest number of a process at or above `pid`, for going through
    /// all of them bit by bit.
    pub fn next_pid(&self, pid: u32) -> Option<u32> {
        self.numbers.next(pid)
    }

    /// Calls `each` for every process that is no zombie. It must not sleep.
    pub fn for_each(&self, mut each: impl FnMut(u32, &Arc<P>)) {
        for (pid, node) in self.nodes.iter().filter(|(_, node)| !node.is_zombie()) {
            each(*pid, &node.process);
        }
    }

    /// The number that was given out last.
    pub fn newest(&self) -> u32 {
        self.last
    }

    /// The largest number that is given out.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Larger numbers are not given out from now on. `EINVAL` for less than 300, and for
    /// more than [`PID_MAX`].
    pub fn set_most(&mut self, most: u32) -> Result<()> {
        const LEAST: u32 = 300;
        if !(LEAST..=PID_MAX).contains(&most) {
            return Err(Errno::EINVAL);
        }
        self.most = most;
        Ok(())
    }

    /// The parent's number; zero for process 1. `ESRCH`.
    pub fn parent(&self, pid: u32) -> Result<u32> {
        Ok(self.node(pid)?.parent)
    }

    /// The thread of its parent that made a process. `ESRCH`.
    pub fn maker(&self, pid: u32) -> Result<u32> {
        Ok(self.node(pid)?.maker)
    }

    /// The signal that the parent gets when the process ends. `ESRCH`.
    pub fn exit_signal(&self, pid: u32) -> Result<u32> {
        Ok(self.node(pid)?.exit_signal)
    }

    /// The state's letter, as in `/proc/PID/stat`, but for sleeping threads.
    /// `ESRCH`.
    pub fn state_letter(&self, pid: u32) -> Result<char> {
        Ok(match self.node(pid)?.state {
            State::Running => 'R',
            State::Stopped => 'T',
            State::Zombie { .. } => 'Z',
        })
    }

    /// What the process's reaped children used. `ESRCH`.
    pub fn children_usage(&self, pid: u32) -> Result<Usage> {
        Ok(self.node(pid)?.children_usage)
    }

    /// The process has called execve(2). From now on its parent cannot
    /// change its group.
    pub fn set_execed(&mut self, pid: u32) {
        if let Ok(node) = self.node_mut(pid) {
            node.execed = true;
            node.exit_signal = paddock_abi::signal::SIGCHLD;
        }
    }

    /// Whether it has called execve(2). Not of one that is gone.
    pub fn has_execed(&self, pid: u32) -> bool {
        self.nodes.get(&pid).is_some_and(|node| node.execed)
    }

    /// The user that the process belongs to. `ESRCH`.
    pub fn uid(&self, pid: u32) -> Result<u32> {
        Ok(self.node(pid)?.uid)
    }

    /// The process is another user's from now on, whose tasks its threads
    /// count as. `ESRCH`, `ENOMEM`.
    pub fn set_uid(&mut self, pid: u32, uid: u32) -> Result<()> {
        self.tasks_of.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let node = self.node_mut(pid)?;
        let (old, tasks) = (node.uid, node.tasks as isize);
        node.uid = uid;
        self.count(old, -tasks);
        self.count(uid, tasks);
        Ok(())
    }

    /// The process has stopped; its parent, to be told. `ESRCH`.
    pub fn set_stopped(&mut self, pid: u32, signal: u8) -> Result<Option<Arc<P>>> {
        let node = self.node(pid)?;
        if node.is_zombie() {
            return Err(Errno::ESRCH);
        }
        let parent = node.parent;
        self.change(pid, |node| {
            node.state = State::Stopped;
            node.news = Some(WaitStatus::Stopped(signal));
        });
        Ok(self.get(parent))
    }

    /// The process goes on; its parent, to be told, if it was stopped.
    /// `ESRCH`.
    pub fn set_continued(&mut self, pid: u32) -> Result<Option<Arc<P>>> {
        let node = self.node(pid)?;
        if !matches!(node.state, State::Stopped) {
            return Ok(None);
        }
        let parent = node.parent;
        self.change(pid, |node| {
            node.state = State::Running;
            node.news = Some(WaitStatus::Continued);
        });
        Ok(self.get(parent))
    }

    fn remove(&mut self, pid: u32) -> Option<Arc<P>> {
        self.forget_task(pid);
        self.abandon_children(pid);
        self.leave_parent(pid);
        self.leave_group(pid);
        self.numbers.set(pid, false);
        let node = self.nodes.remove(&pid)?;
        for id in [pid, node.group, node.session] {
            self.forget_names(id);
        }
        node.process.removed();
        Some(node.process)
    }
}

#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod space_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trace_tests;
