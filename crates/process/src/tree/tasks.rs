//! The numbers of tasks: threads, and processes that have ended and are still
//! waited for.

use super::{Member, PID_MAX, REAPER, Task, TaskLimits, Tree};
use paddock_abi::{Errno, Result};

impl<P: Member> Tree<P> {
    /// Reserves a number for a thread of process `owner`, or for a new
    /// process (`None`), which counts as a task of `uid`. [`Self::release`]
    /// gives it back. `EAGAIN` if there is none, or by the limits; `ESRCH`;
    /// `ENOMEM`.
    pub fn reserve(&mut self, owner: Option<u32>, uid: u32, limits: TaskLimits) -> Result<u32> {
        let tasks = self.tasks_of.get(&uid).copied().unwrap_or(0);
        if tasks >= limits.user || self.threads.len() >= limits.total {
            return Err(Errno::EAGAIN);
        }
        if let Some(owner) = owner {
            self.node(owner)?;
        }
        self.threads.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.tasks_of.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        for _ in 0..PID_MAX {
            self.last = if self.last >= self.most {
                2
            } else {
                self.last + 1
            };
            let id = self.last;
            if !self.in_use(id) {
                let process = owner.unwrap_or(id);
                self.threads.insert(id, Task { process, uid });
                self.count(uid, 1);
                if let Some(node) = owner.and_then(|owner| self.nodes.get_mut(&owner)) {
                    node.tasks += 1;
                }
                return Ok(id);
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Reserves the number of process 1, which has ended, for the next one.
    /// `EEXIST` if it is still there; `ENOMEM`.
    pub fn reserve_first(&mut self) -> Result<u32> {
        if self.nodes.contains_key(&REAPER) {
            return Err(Errno::EEXIST);
        }
        if !self.threads.contains_key(&REAPER) {
            self.threads.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.tasks_of.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            let task = Task {
                process: REAPER,
                uid: 0,
            };
            self.threads.insert(REAPER, task);
            self.count(0, 1);
        }
        Ok(REAPER)
    }

    /// Changes the count of a user's tasks. There is room for one user more.
    pub(super) fn count(&mut self, uid: u32, change: isize) {
        let tasks = self.tasks_of.entry(uid).or_insert(0);
        *tasks = tasks.saturating_add_signed(change);
        if *tasks == 0 {
            self.tasks_of.remove(&uid);
        }
    }

    /// How many tasks a user has.
    pub fn tasks_of(&self, uid: u32) -> usize {
        self.tasks_of.get(&uid).copied().unwrap_or(0)
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn in_use(&self, id: u32) -> bool {
        self.threads.contains_key(&id)
            || self.nodes.contains_key(&id)
            || self.groups.contains_key(&id)
            || self.sessions.contains_key(&id)
    }

    /// Gives back the number of a thread that has ended, or of a process
    /// that was never added. A process keeps its own number.
    pub fn release(&mut self, id: u32) {
        if !self.nodes.contains_key(&id) {
            self.forget_task(id);
            self.forget_names(id);
        }
    }

    pub(super) fn forget_task(&mut self, id: u32) {
        let Some(Task { process, uid }) = self.threads.remove(&id) else {
            return;
        };
        self.leave_spaces(id);
        let uid = match self.nodes.get_mut(&process) {
            Some(node) => {
                node.tasks = node.tasks.saturating_sub(1);
                node.uid
            }
            None => uid,
        };
        self.count(uid, -1);
    }
}
