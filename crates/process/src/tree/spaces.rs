//! Numbers in PID namespaces (pid_namespaces(7)).
//!
//! The kernel itself knows everybody by the number in the initial namespace. Who is in
//! a namespace below has a number in that one and in each of those around it besides:
//! [`Local`] is such a number, so that it is not taken for the kernel's.

use super::{Member, PID_MAX, REAPER, Tree};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use hashbrown::HashMap;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_cred::UserNamespace;
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};

/// How many namespaces there may be one in another, below the initial one.
pub const LEVELS_MAX: u32 = 32;
/// What a namespace is charged for, in bytes.
const COST: usize = 1024;
/// The inode number of the initial namespace, as on Linux.
const FIRST_INODE: u64 = 0xefff_fffc;
static NEXT_INODE: AtomicU64 = AtomicU64::new(0xf400_0000);

/// A process's, thread's, group's or session's number as programs of one PID namespace
/// know it; zero is nobody's there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Local(u32);

impl Local {
    /// Nobody that the namespace knows.
    pub const NOBODY: Local = Local(0);
    /// Who inherits the namespace's orphans.
    pub const FIRST: Local = Local(REAPER);

    /// A number that a program gives, or that is known to be one of a namespace.
    pub const fn new(number: u32) -> Local {
        Local(number)
    }

    /// For a program of the namespace.
    pub const fn get(self) -> u32 {
        self.0
    }
}

#[derive(Default)]
struct Numbers {
    /// Those of tasks, and those that are kept for groups and sessions alone.
    tasks: HashMap<Local, u32>,
    /// How many tasks there are: no more than numbers.
    present: usize,
    /// The number that was given out last.
    last: u32,
    /// The kernel's number of the namespace's process 1.
    first: Option<u32>,
    /// Process 1 has ended, or is about to: nobody comes any more.
    has_ended: bool,
}

struct Inner {
    above: PidSpace,
    level: u32,
    inode: u64,
    owner: UserNamespace,
    _charge: Charge,
    numbers: SpinLock<Numbers, PreemptOff>,
}

/// A PID namespace; the default is the initial one.
#[derive(Clone, Default)]
pub struct PidSpace(Option<Arc<Inner>>);

impl fmt::Debug for PidSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PidSpace({:#x})", self.inode())
    }
}

impl PartialEq for PidSpace {
    fn eq(&self, other: &PidSpace) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl PidSpace {
    /// The one that there is from the start.
    pub const INITIAL: PidSpace = PidSpace(None);

    /// A new one in this one, which belongs to `owner` and for which `payer` pays. `ENOSPC`
    /// for more than [`LEVELS_MAX`] in each other, `ENOMEM`.
    pub fn make_inner(&self, owner: &UserNamespace, payer: &Arc<Account>) -> Result<PidSpace> {
        let level = self.level() + 1;
        if level > LEVELS_MAX {
            return Err(Errno::ENOSPC);
        }
        let inner = try_arc(Inner {
            above: self.clone(),
            level,
            owner: owner.clone(),
            _charge: Charge::new(payer, COST)?,
            inode: NEXT_INODE.fetch_add(1, Ordering::Relaxed),
            numbers: SpinLock::new(Rank::Leaf, Numbers::default()),
        })?;
        Ok(PidSpace(Some(inner)))
    }

    /// Whether it is the one that there is from the start.
    #[inline]
    pub fn is_initial(&self) -> bool {
        self.0.is_none()
    }

    /// Whether nobody has come into it yet, or everybody is gone.
    pub fn is_empty(&self) -> bool {
        let inner = self.0.as_ref();
        inner.is_some_and(|inner| inner.numbers.lock().first.is_none())
    }

    /// How many there are around it.
    pub fn level(&self) -> u32 {
        self.0.as_ref().map_or(0, |inner| inner.level)
    }

    /// The one around it; `None` for the initial one.
    pub fn above(&self) -> Option<&PidSpace> {
        self.0.as_ref().map(|inner| &inner.above)
    }

    /// The user namespace that it belongs to.
    pub fn owner(&self) -> &UserNamespace {
        let inner = self.0.as_ref();
        inner.map_or(&UserNamespace::INITIAL, |inner| &inner.owner)
    }

    /// Its inode number.
    pub fn inode(&self) -> u64 {
        self.0.as_ref().map_or(FIRST_INODE, |inner| inner.inode)
    }

    /// Whether it is `other`, or in it, however deep.
    pub fn is_within(&self, other: &PidSpace) -> bool {
        self.at_level(other.level()) == Some(other)
    }

    /// It, or the one around it that so many are around.
    fn at_level(&self, level: u32) -> Option<&PidSpace> {
        let mut at = self;
        while at.level() > level {
            at = at.above()?;
        }
        (at.level() == level).then_some(at)
    }

    fn find(&self, number: Local) -> Option<u32> {
        match &self.0 {
            None => Some(number.0),
            Some(inner) => inner.numbers.lock().tasks.get(&number).copied(),
        }
    }

    /// The kernel's number of its process 1.
    fn first(&self) -> Option<u32> {
        match &self.0 {
            None => Some(REAPER),
            Some(inner) => inner.numbers.lock().first,
        }
    }

    fn has_ended(&self) -> bool {
        let inner = self.0.as_ref();
        inner.is_some_and(|inner| inner.numbers.lock().has_ended)
    }

    /// Gives `id` a number. `ENOMEM`, also if its process 1 has ended; `EAGAIN`.
    fn enroll(inner: &Inner, id: u32) -> Result<Local> {
        let mut numbers = inner.numbers.lock();
        if numbers.has_ended {
            return Err(Errno::ENOMEM);
        }
        let room = numbers.tasks.try_reserve(1);
        room.map_err(|_| Errno::ENOMEM)?;
        let number = match numbers.first {
            None => Local::FIRST,
            Some(_) => numbers.next_free().ok_or(Errno::EAGAIN)?,
        };
        if number == Local::FIRST {
            numbers.first = Some(id);
        }
        numbers.last = number.0;
        numbers.tasks.insert(number, id);
        numbers.present += 1;
        Ok(number)
    }

    /// One of its tasks has gone; its number may stay as that of a group. Process 1, if it
    /// has ended and is the only one left.
    fn leave(&self) -> Option<u32> {
        let mut numbers = self.0.as_ref()?.numbers.lock();
        numbers.present -= 1;
        numbers
            .first
            .filter(|_| numbers.has_ended && numbers.present == 1)
    }

    fn forget(&self, number: Local) {
        let Some(inner) = &self.0 else { return };
        let mut numbers = inner.numbers.lock();
        numbers.tasks.remove(&number);
        // One that never ran leaves its place to the next.
        if number == Local::FIRST {
            numbers.first = None;
        }
    }
}

impl Numbers {
    fn next_free(&self) -> Option<Local> {
        let mut number = self.last;
        for _ in 0..PID_MAX {
            number = if number >= PID_MAX { 2 } else { number + 1 };
            if !self.tasks.contains_key(&Local(number)) {
                return Some(Local(number));
            }
        }
        None
    }
}

/// The numbers of a task that is in a namespace below the initial one.
pub(super) struct Names {
    /// The innermost.
    space: PidSpace,
    /// From the one below the initial one to the innermost.
    numbers: Vec<Local>,
}

impl Names {
    fn at(&self, space: &PidSpace) -> Option<Local> {
        let index = space.level().checked_sub(1)?;
        let is_around = self.space.is_within(space);
        self.numbers
            .get(index as usize)
            .copied()
            .filter(|_| is_around)
    }
}

impl<P: Member> Tree<P> {
    /// Gives a task, whose number is reserved, numbers in `space` and in all around it;
    /// the innermost one. The numbers end with the kernel's own.
    ///
    /// # Errors
    /// `ENOMEM`, also if the namespace's process 1 has ended; `EAGAIN` without a number.
    pub fn enroll(&mut self, id: u32, space: &PidSpace) -> Result<Local> {
        let mut at = space;
        let mut numbers = Vec::new();
        let level = space.level() as usize;
        let room = numbers.try_reserve_exact(level);
        room.map_err(|_| Errno::ENOMEM)?;
        self.names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        while let Some(inner) = &at.0 {
            match PidSpace::enroll(inner, id) {
                Ok(number) => numbers.push(number),
                Err(error) => {
                    self.leave_all(space, numbers.len());
                    forget_all(space, &numbers);
                    return Err(error);
                }
            }
            at = &inner.above;
        }
        let innermost = numbers.first().copied().unwrap_or(Local(id));
        numbers.reverse();
        if !numbers.is_empty() {
            let space = space.clone();
            self.names.insert(id, Names { space, numbers });
        }
        Ok(innermost)
    }

    /// The kernel's number for one that a program of `space` gives. `None` for nobody.
    pub fn find_in(&self, space: &PidSpace, number: Local) -> Option<u32> {
        space.find(number)
    }

    /// The number that programs of `space` know a task, group or session by.
    pub fn number_in(&self, space: &PidSpace, id: u32) -> Local {
        if space.is_initial() {
            return Local(id);
        }
        let names = self.names.get(&id);
        names
            .and_then(|names| names.at(space))
            .unwrap_or(Local::NOBODY)
    }

    /// The numbers of a task from `space` on inward (`NSpid` of proc_pid_status(5)).
    pub fn numbers_from(&self, space: &PidSpace, id: u32) -> impl Iterator<Item = Local> {
        let own = space.is_initial().then_some(Local(id));
        let skipped = space.level().saturating_sub(1) as usize;
        let names = self.names.get(&id);
        let names = names.filter(|names| names.space.is_within(space));
        let inner = names.map_or(&[][..], |names| &names.numbers);
        own.into_iter().chain(inner.iter().copied().skip(skipped))
    }

    /// The namespace that a task is in.
    pub fn space_of(&self, id: u32) -> PidSpace {
        let names = self.names.get(&id);
        names.map_or(PidSpace::INITIAL, |names| names.space.clone())
    }

    /// How its parent knows a process.
    pub(super) fn number_for(&self, viewer: u32, id: u32) -> Local {
        match self.names.get(&viewer) {
            None => Local(id),
            Some(names) => self.number_in(&names.space, id),
        }
    }

    /// The process 1 of a process's namespace, by the kernel's number.
    pub(super) fn first_around(&self, pid: u32) -> u32 {
        let names = self.names.get(&pid);
        let first = names.and_then(|names| names.space.first());
        first.filter(|&first| first != pid).unwrap_or(REAPER)
    }

    /// Whether two tasks are in the same namespace.
    pub(super) fn are_together(&self, one: u32, other: u32) -> bool {
        match (self.names.get(&one), self.names.get(&other)) {
            (None, None) => true,
            (Some(one), Some(other)) => one.space == other.space,
            _ => false,
        }
    }

    /// Whether nobody may come into a task's namespace any more.
    pub(super) fn may_not_come(&self, id: u32) -> bool {
        let names = self.names.get(&id);
        names.is_some_and(|names| names.space.has_ended())
    }

    /// Whether a process is process 1 of a namespace below the initial one.
    pub fn leads_space(&self, pid: u32) -> bool {
        let names = self.names.get(&pid);
        names.is_some_and(|names| names.space.first() == Some(pid))
    }

    /// Process 1 of `space` ends: nobody comes into it from now on.
    pub fn end_space(&mut self, space: &PidSpace) {
        if let Some(inner) = &space.0 {
            inner.numbers.lock().has_ended = true;
        }
    }

    /// How many tasks there are in `space`, and within it: threads, and processes that
    /// have ended and are still waited for.
    pub fn tasks_in(&self, space: &PidSpace) -> usize {
        match &space.0 {
            None => self.threads.len(),
            Some(inner) => inner.numbers.lock().present,
        }
    }

    /// Calls `each` for every process in `space`, or within, that is no zombie. It must
    /// not sleep.
    pub fn for_each_in_space(&self, space: &PidSpace, mut each: impl FnMut(u32, &Arc<P>)) {
        let Some(inner) = &space.0 else {
            return self.for_each(each);
        };
        for pid in inner.numbers.lock().tasks.values() {
            if let Some(node) = self.nodes.get(pid).filter(|node| !node.is_zombie()) {
                each(*pid, &node.process);
            }
        }
    }

    /// The process, no zombie, with the lowest number above `last` in `space`, which is
    /// not the initial one.
    pub fn next_in_space(&self, space: &PidSpace, last: Local) -> Option<(Local, Arc<P>)> {
        let numbers = space.0.as_ref()?.numbers.lock();
        let above = numbers.tasks.iter().filter(|(number, _)| **number > last);
        let living = above.filter_map(|(number, pid)| {
            let node = self.nodes.get(pid).filter(|node| !node.is_zombie())?;
            Some((*number, node))
        });
        let (number, node) = living.min_by_key(|(number, _)| *number)?;
        Some((number, node.process.clone()))
    }

    /// Adds the numbers of all processes in `space`, zombies too, in any order. `ENOMEM`.
    pub fn list_space(&self, space: &PidSpace, into: &mut Vec<u32>) -> Result<()> {
        let Some(inner) = &space.0 else {
            let room = into.try_reserve(self.nodes.len());
            room.map_err(|_| Errno::ENOMEM)?;
            into.extend(self.nodes.keys().copied());
            return Ok(());
        };
        let numbers = inner.numbers.lock();
        let room = into.try_reserve(numbers.tasks.len());
        room.map_err(|_| Errno::ENOMEM)?;
        let processes = numbers.tasks.iter();
        let processes = processes.filter(|(_, pid)| self.nodes.contains_key(*pid));
        into.extend(processes.map(|(number, _)| number.0));
        Ok(())
    }

    /// A task has gone from `space` and from those around it, so many in all. Where
    /// process 1 of one that has ended is left alone by that, it is told.
    fn leave_all(&self, space: &PidSpace, levels: usize) {
        let mut at = Some(space);
        for _ in 0..levels {
            let Some(space) = at else { return };
            let first = space.leave().and_then(|first| self.nodes.get(&first));
            if let Some(first) = first {
                first.process.left_alone();
            }
            at = space.above();
        }
    }

    /// The task of the kernel's number has gone.
    pub(super) fn leave_spaces(&self, id: u32) {
        if let Some(names) = self.names.get(&id) {
            self.leave_all(&names.space, names.numbers.len());
        }
    }

    /// Whatever had the kernel's number may be gone: then its numbers in namespaces are
    /// free as well.
    pub(super) fn forget_names(&mut self, id: u32) {
        if self.names.is_empty() || self.in_use(id) {
            return;
        }
        if let Some(mut names) = self.names.remove(&id) {
            names.numbers.reverse();
            forget_all(&names.space, &names.numbers);
        }
    }
}

/// Frees numbers from `space` on outward.
fn forget_all(space: &PidSpace, numbers: &[Local]) {
    let mut at = space;
    for number in numbers {
        at.forget(*number);
        let Some(above) = at.above() else { return };
        at = above;
    }
}
