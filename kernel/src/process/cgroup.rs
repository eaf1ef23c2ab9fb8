//! Control groups of processes: the wiring of `paddock_cgroup`.
//!
//! A process comes into a group, goes to another and forks under the lock of the
//! tree of processes, so that a child is where its parent is, and whoever goes
//! through a group misses none. It leaves when all its threads have.

use super::numbers;
use super::object::{Process, UserThread, tree};
use super::signals::{Targets, send_to_process};
use super::{accounts, current, oom_group};
use crate::memory;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use paddock_abi::signal::{SIGKILL, Siginfo};
use paddock_abi::{Errno, Result};
use paddock_cgroup::{Accounts, Controllers, CpuUse, Group, Hierarchy, Place, System};
use paddock_charge::Account;
use paddock_cred::Cred;
use paddock_frames::{AccountId, Frameful};
use paddock_process::CpuTimes;
use paddock_sync::{OnceCell, try_arc};

/// What there is; the root has all of it.
const CONTROLLERS: Controllers = Controllers::MEMORY.union(Controllers::PIDS);

static HIERARCHY: OnceCell<Arc<Hierarchy>> = OnceCell::new();

/// All groups; made at boot.
pub fn hierarchy() -> &'static Arc<Hierarchy> {
    match HIERARCHY.get() {
        Some(hierarchy) => hierarchy,
        None => panic!("cgroups are asked for before there are any"),
    }
}

/// Makes the root. Once, at boot.
pub fn init() {
    let hierarchy =
        try_arc(FrameAccounts).and_then(|accounts| Hierarchy::new(CONTROLLERS, accounts));
    match hierarchy {
        Ok(hierarchy) => {
            let _ = HIERARCHY.set(hierarchy);
        }
        Err(_) => panic!("no memory for the root of all cgroups"),
    }
}

/// The accounts for memory.
struct FrameAccounts;

impl Accounts for FrameAccounts {
    fn open(&self, parent: AccountId) -> Result<AccountId> {
        memory::accounts::open(parent)
    }

    fn close(&self, account: AccountId) {
        memory::accounts::close(account);
    }

    fn of(&self, account: AccountId) -> Frameful {
        memory::accounts::of(account)
    }

    fn set_max(&self, account: AccountId, frames: u64) {
        memory::accounts::set_max(account, frames);
    }
}

fn cpu_use(times: CpuTimes) -> CpuUse {
    CpuUse {
        user: times.user,
        system: times.system,
    }
}

impl Process {
    /// Its group; once it has ended, the one in which it did.
    pub fn cgroup(&self) -> Arc<Group> {
        self.place.lock().group().clone()
    }

    /// Its memory counts for a group from now on; what it has stays where it was
    /// charged.
    fn pays_as(&self, group: &Group) {
        self.memory_account.store(group.account().to_u64(), Relaxed);
    }

    /// Counts a thread to come. `EAGAIN` beyond a limit of its group.
    pub(super) fn add_task(&self) -> Result<()> {
        let mut place = self.place.lock();
        let added = place.add_task();
        let group = added.is_err().then(|| place.group().clone());
        drop(place);
        if let Some(group) = group {
            group.tell();
        }
        added
    }

    /// Counts a thread no longer. Any context but an interrupt.
    pub(super) fn remove_task(&self) {
        self.place.lock().remove_task();
    }
}

/// A place for a child of `parent`: in its group, or in `put`. `EAGAIN` beyond a
/// limit there. May sleep.
pub fn place_for(parent: &Process, put: Option<&Arc<Group>>) -> Result<Place> {
    let group = put.cloned().unwrap_or_else(|| parent.cgroup());
    Place::new(&group).inspect_err(|_| group.tell())
}

/// A child comes into its group, the one where its parent is by now or where it
/// is `put`. The lock of the tree of processes is held.
///
/// # Errors
/// Those of [`Hierarchy::enter`].
pub fn enter(child: &Process, parent: Option<&Process>, is_put: bool) -> Result<()> {
    let mut place = child.place.lock();
    let parents = parent.filter(|_| !is_put).map(|parent| parent.cgroup());
    let left = match parents {
        Some(group) if !Arc::ptr_eq(&group, place.group()) => {
            Some(place.go_to(&group, CpuUse::default()))
        }
        _ => None,
    };
    child.pays_as(place.group());
    let entered = hierarchy().enter(place.group(), child.pid, is_put);
    drop(place);
    drop(left);
    child.freezing.store(entered?.freezing, Release);
    Ok(())
}

/// Its group keeps what a process has used, which uses no more. May sleep.
pub fn keep_used(process: &Process) {
    let used = cpu_use(process.cpu_times());
    process.place.lock().keep_used(used);
}

/// A process leaves its group: all its threads have ended, and it can be waited
/// for. While its number cannot be another's: the lock of the tree of processes
/// is held, or the number is not known yet. The group is to be told, without a lock.
#[must_use = "the group is to be told"]
pub fn leave(process: &Process) -> Arc<Group> {
    let place = process.place.lock();
    hierarchy().leave(place.group(), process.pid);
    place.group().clone()
}

/// What a process does about its group's freezing, as it is now. No lock may be
/// held; may sleep.
fn obey(process: &Process) {
    note_standing(process);
    match process.freezing.load(Acquire) {
        true => process.wake_threads(),
        false => process.changed.wake_all(),
    }
}

/// Notes whether the process is to stand still, and does: none of its threads is
/// on its way to user mode. No lock may be held; may sleep.
fn note_standing(process: &Process) {
    let threads = process.threads.lock();
    let stop = process.stop.lock();
    let place = process.place.lock();
    let freezing = hierarchy().is_freezing(place.group());
    process.freezing.store(freezing, Release);
    let stands = !threads.is_empty() && stop.standing >= threads.len();
    hierarchy().set_frozen(place.group(), process.pid, freezing && stands);
    let group = place.group().clone();
    drop((place, stop, threads));
    group.tell();
}

/// A thread of the process has ended.
pub fn on_thread_end(process: &Process) {
    if process.freezing.load(Acquire) {
        note_standing(process);
    }
}

/// Whether the running thread, which this is, has to stand still for its group.
/// What ends its process does not wait.
pub fn must_stand(thread: &UserThread) -> bool {
    thread.process.freezing.load(Acquire) && !thread.process.signals.lock().has_deadly(thread.tid)
}

/// Waits, as the running thread, which this is: meanwhile it does not go to user
/// mode, and counts as standing still.
pub fn stand_while<T>(thread: &UserThread, wait: impl FnOnce() -> T) -> T {
    let process = &thread.process;
    let count = |more: isize| {
        let mut stop = process.stop.lock();
        stop.standing = stop.standing.saturating_add_signed(more);
        drop(stop);
        if process.freezing.load(Acquire) {
            note_standing(process);
        }
    };
    count(1);
    let result = wait();
    count(-1);
    result
}

/// The processes of a group and of those below. `ENOMEM`.
pub(super) fn processes_of(group: &Group) -> Result<Targets> {
    let (targets, ()) = Targets::find(|tree, add| {
        hierarchy().for_each_process(group, |pid| {
            if let Some(process) = tree.get(pid) {
                add(&process);
            }
        });
    })?;
    Ok(targets)
}

/// The rest of the kernel, for the filesystem.
pub struct Processes;

impl System for Processes {
    fn cred(&self) -> Arc<Cred> {
        current().map_or_else(Cred::shared_root, |thread| thread.cred())
    }

    fn account(&self) -> Arc<Account> {
        accounts::paying()
    }

    fn known(&self, id: u32) -> u32 {
        numbers::known(id).get()
    }

    fn move_process(
        &self,
        pid: u32,
        to: &Arc<Group>,
        may: &dyn Fn(&Arc<Group>) -> Result<()>,
    ) -> Result<()> {
        let process = match pid {
            0 => current().map(|thread| thread.process.clone()),
            _ => tree().lock().process_of(numbers::given(pid)?),
        };
        let process = process.ok_or(Errno::ESRCH)?;
        loop {
            let from = process.cgroup();
            may(&from)?;
            if move_from(&process, &from, to)? {
                obey(&process);
                from.tell();
                to.tell();
                return Ok(());
            }
        }
    }

    fn kill(&self, group: &Arc<Group>) -> Result<()> {
        let targets = processes_of(group)?;
        for process in targets.processes() {
            let _ = send_to_process(process, &Siginfo::kernel(SIGKILL));
            process.hasten_for(SIGKILL);
        }
        Ok(())
    }

    fn shrink(&self, group: &Arc<Group>) -> Result<()> {
        oom_group::shrink(group)
    }

    fn freeze(&self, group: &Arc<Group>) -> Result<()> {
        let targets = processes_of(group)?;
        for process in targets.processes() {
            obey(process);
        }
        Ok(())
    }

    fn for_each_thread(&self, pid: u32, each: &mut dyn FnMut(u32)) {
        let process = tree().lock().get(pid);
        if let Some(process) = process {
            let threads = process.threads.lock();
            threads.iter().for_each(|thread| each(thread.tid));
        }
    }

    fn cpu_used(&self, pid: u32) -> CpuUse {
        let process = tree().lock().get(pid);
        let used = |process: Arc<Process>| {
            let used = cpu_use(process.cpu_times());
            process.place.lock().used_here(used)
        };
        process.map(used).unwrap_or_default()
    }
}

/// Moves a process from one group to another; false if it is in neither. One that
/// has ended stays where it was.
fn move_from(process: &Process, from: &Arc<Group>, to: &Arc<Group>) -> Result<bool> {
    let used = cpu_use(process.cpu_times());
    let tree = tree().lock();
    let mut place = process.place.lock();
    if !Arc::ptr_eq(place.group(), from) {
        return Ok(false);
    }
    let left = match hierarchy().transfer(from, to, process.pid) {
        Ok(_) => {
            process.pays_as(to);
            Some(place.go_to(to, used))
        }
        Err(Errno::ESRCH) => None,
        Err(error) => return Err(error),
    };
    drop((place, tree));
    drop(left);
    Ok(true)
}
