//! Processes that share root, working directory and mode mask (clone(2), `CLONE_FS`).
//!
//! Each has a copy of its own, which every call reads as if it were alone. Whoever
//! changes it changes that of all, one change after another.

use super::Process;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{Mutex, Rank, SpinLock, try_arc};
use paddock_vfs::FsInfo;

/// Those who share.
pub struct Group {
    members: Mutex<Vec<Weak<Process>>>,
}

/// With whom a process shares.
pub struct SharedPlaces {
    group: SpinLock<Option<Arc<Group>>>,
    /// Whether there was ever a group.
    was_shared: AtomicBool,
}

impl SharedPlaces {
    /// With nobody.
    pub const fn none() -> SharedPlaces {
        SharedPlaces {
            group: SpinLock::new(Rank::Leaf, None),
            was_shared: AtomicBool::new(false),
        }
    }

    fn get(&self) -> Option<Arc<Group>> {
        match self.was_shared.load(Ordering::Acquire) {
            true => self.group.lock().clone(),
            false => None,
        }
    }

    fn set(&self, group: Option<Arc<Group>>) -> Option<Arc<Group>> {
        self.was_shared.store(true, Ordering::Release);
        core::mem::replace(&mut *self.group.lock(), group)
    }

    /// Whether others share.
    pub fn is_shared(&self) -> bool {
        self.get().is_some_and(|group| group.count() > 1)
    }

    /// A number that those who share have in common; `None` for one who is alone.
    pub fn identity(&self) -> Option<usize> {
        self.get().map(|group| Arc::as_ptr(&group).addr())
    }
}

impl Group {
    fn count(&self) -> usize {
        let members = self.members.lock();
        members.iter().filter(|it| it.strong_count() > 0).count()
    }

    fn add(members: &mut Vec<Weak<Process>>, process: &Arc<Process>) -> Result<()> {
        members.retain(|it| it.strong_count() > 0);
        members.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        members.push(Arc::downgrade(process));
        Ok(())
    }
}

fn put(process: &Process, change: &dyn Fn(&mut FsInfo)) {
    let mut new = process.paths.lock().clone();
    change(&mut new);
    // What was there may be the last of its kind: it is dropped outside.
    let old = core::mem::replace(&mut *process.paths.lock(), new);
    drop(old);
}

/// Changes where a process is, and where all are that share that with it. Sleeps.
pub fn change(process: &Process, change: &dyn Fn(&mut FsInfo)) {
    if process.shared_places.get().is_none() {
        put(process, change);
    }
    // Somebody may have come to share it meanwhile, without having seen the change.
    let Some(group) = process.shared_places.get() else {
        return;
    };
    let members = group.members.lock();
    for member in members.iter().filter_map(Weak::upgrade) {
        put(&member, change);
    }
}

/// A new process, which nobody knows yet, shares with its parent from now on. Sleeps.
///
/// # Errors
/// `ENOMEM`.
pub fn join(parent: &Arc<Process>, child: &Arc<Process>) -> Result<()> {
    let group = match parent.shared_places.get() {
        Some(group) => group,
        None => found(parent)?,
    };
    let mut members = group.members.lock();
    Group::add(&mut members, child)?;
    let now = parent.paths.lock().clone();
    let old = core::mem::replace(&mut *child.paths.lock(), now);
    drop(members);
    drop(old);
    child.shared_places.set(Some(group));
    Ok(())
}

/// A group with one member, unless another of its threads has just made one.
fn found(process: &Arc<Process>) -> Result<Arc<Group>> {
    let mut members = Vec::new();
    Group::add(&mut members, process)?;
    let new = try_arc(Group {
        members: Mutex::new(Rank::SharedPlaces, members),
    })?;
    let own = &process.shared_places;
    own.was_shared.store(true, Ordering::Release);
    Ok(own.group.lock().get_or_insert(new).clone())
}

/// A process shares with nobody any more. Sleeps.
pub fn leave(process: &Process) {
    if process.shared_places.get().is_none() {
        return;
    }
    let Some(group) = process.shared_places.set(None) else {
        return;
    };
    let own = core::ptr::from_ref(process);
    let mut members = group.members.lock();
    members.retain(|member| member.as_ptr() != own);
}
