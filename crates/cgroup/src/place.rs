//! [`Place`]: where a process is, and what it is charged for there.

use crate::cpu::CpuUse;
use crate::group::Group;
use crate::pids;
use alloc::sync::Arc;
use paddock_abi::Result;

/// A process's group, and how many of its tasks are counted there; they no
/// longer are when this goes. A field of the process, under a lock of its own.
#[derive(Debug)]
pub struct Place {
    group: Arc<Group>,
    tasks: u64,
    /// What it had used of the CPU when it came into the group.
    before: CpuUse,
}

impl Place {
    /// For a process of one task that will be in `group`. `EAGAIN` beyond a
    /// limit (fork(2)); then those who wait for that are to be told
    /// ([`Group::tell`]).
    pub fn new(group: &Arc<Group>) -> Result<Place> {
        pids::charge(group)?;
        Ok(Place {
            group: group.clone(),
            tasks: 1,
            before: CpuUse::default(),
        })
    }

    /// The group.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Counts one task more. `EAGAIN` beyond a limit.
    pub fn add_task(&mut self) -> Result<()> {
        pids::charge(&self.group)?;
        self.tasks += 1;
        Ok(())
    }

    /// Counts one task less.
    pub fn remove_task(&mut self) {
        if self.tasks > 0 {
            self.tasks -= 1;
            pids::refund(&self.group, 1);
        }
    }

    /// The process goes to another group with all its tasks, whatever the
    /// limits there; it has used `used` by now. Gives the group that it was in,
    /// to be dropped with no lock held.
    pub fn go_to(&mut self, group: &Arc<Group>, used: CpuUse) -> Arc<Group> {
        pids::transfer(&self.group, group, self.tasks);
        self.group.cpu.add(used - self.before);
        self.before = used;
        core::mem::replace(&mut self.group, group.clone())
    }

    /// The process has ended, and used `used` in all: the group keeps that.
    pub fn keep_used(&mut self, used: CpuUse) {
        self.group.cpu.add(used - self.before);
        self.before = used;
    }

    /// What of `used` it has used in this group.
    pub fn used_here(&self, used: CpuUse) -> CpuUse {
        used - self.before
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        pids::refund(&self.group, self.tasks);
    }
}
