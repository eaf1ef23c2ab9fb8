//! The semaphores of a set, and who waits for them: no locks, no clock.
//!
//! Whoever waits does so for one semaphore, the first of his operations that
//! cannot be done: until it is larger, or until it has a certain value. Only a
//! change of that one has his operations tried again, in the order in which
//! they came.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use paddock_abi::ipc::{IPC_NOWAIT, SEM_UNDO, Sembuf};
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::{try_copy, try_insert};

/// The largest value of a semaphore.
pub const SEMVMX: i32 = 32_767;
/// The largest adjustment that is kept for a process's end.
const SEMAEM: i32 = 32_767;

#[derive(Debug, Default)]
struct Sem {
    value: i32,
    /// The last process that changed it, or waited for its zero.
    pid: u32,
    /// Who waits for it to become larger, by ticket.
    larger: BTreeMap<u64, ()>,
    /// Who waits for it to become a value, 0 in most cases; by that and ticket.
    exact: BTreeMap<(i32, u64), ()>,
    /// It has become larger since its waiters were looked at.
    raised: bool,
    /// Whether it is in the list of those that have changed.
    changed: bool,
    /// The next of that list.
    next: Option<usize>,
}

/// What a process's end changes.
#[derive(Debug)]
struct Undo {
    adjustments: Vec<i16>,
    _charge: Charge,
}

/// What keeps operations from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Obstacle {
    sem: usize,
    /// The value that it must have; `None` for a larger one.
    exact: Option<i32>,
    /// The operation is not to wait.
    nowait: bool,
}

#[derive(Debug)]
struct Waiting<W> {
    operations: Vec<Sembuf>,
    pid: u32,
    obstacle: Obstacle,
    who: W,
}

/// What comes of trying.
enum Tried {
    Done,
    Refused(Errno),
    Blocked(Obstacle),
}

/// What became of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// They are done.
    Done,
    /// They wait, under this ticket.
    Waits(u64),
}

/// The semaphores of a set. `W` is what stands for one who waits.
#[derive(Debug)]
pub struct Engine<W> {
    sems: Vec<Sem>,
    waiting: BTreeMap<u64, Waiting<W>>,
    undo: BTreeMap<u32, Undo>,
    next_ticket: u64,
    changed: Option<usize>,
}

impl<W> Engine<W> {
    /// `count` semaphores of value 0. `ENOMEM`.
    pub fn new(count: usize) -> Result<Self> {
        let mut sems = Vec::new();
        sems.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        sems.resize_with(count, Sem::default);
        Ok(Engine {
            sems,
            waiting: BTreeMap::new(),
            undo: BTreeMap::new(),
            next_ticket: 0,
            changed: None,
        })
    }

    /// Bytes that `count` semaphores take.
    pub const fn bytes(count: usize) -> usize {
        count * size_of::<Sem>()
    }

    /// How many semaphores there are.
    pub fn count(&self) -> usize {
        self.sems.len()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Who waits under a ticket.
    #[cfg(test)]
    pub fn who(&self, ticket: u64) -> Option<&W> {
        Some(&self.waiting.get(&ticket)?.who)
    }

    fn sem(&self, number: usize) -> Result<&Sem> {
        self.sems.get(number).ok_or(Errno::EINVAL)
    }

    /// A semaphore's value. `EINVAL` if there is none of that number; so with
    /// all that follow.
    pub fn value(&self, number: usize) -> Result<i32> {
        Ok(self.sem(number)?.value)
    }

    /// The last process that changed it.
    pub fn pid(&self, number: usize) -> Result<u32> {
        Ok(self.sem(number)?.pid)
    }

    /// How many wait for it to become larger.
    pub fn larger_waiters(&self, number: usize) -> Result<usize> {
        Ok(self.sem(number)?.larger.len())
    }

    /// How many wait for it to become zero.
    pub fn zero_waiters(&self, number: usize) -> Result<usize> {
        Ok(self.sem(number)?.exact.len())
    }

    /// Makes sure that process `pid` has adjustments, which operations with
    /// `SEM_UNDO` need. Whether it had none. `ENOMEM`.
    pub fn prepare_undo(
        &mut self,
        pid: u32,
        charge: impl FnOnce(usize) -> Result<Charge>,
    ) -> Result<bool> {
        if self.undo.contains_key(&pid) {
            return Ok(false);
        }
        let count = self.count();
        let charge = charge(count * size_of::<i16>())?;
        let mut adjustments = Vec::new();
        adjustments
            .try_reserve_exact(count)
            .map_err(|_| Errno::ENOMEM)?;
        adjustments.resize(count, 0);
        let undo = Undo {
            adjustments,
            _charge: charge,
        };
        try_insert(&mut self.undo, pid, undo)?;
        Ok(true)
    }

    /// Does all of `operations` or none. Their semaphores exist.
    fn attempt(&mut self, operations: &[Sembuf], pid: u32) -> Tried {
        let mut done = 0;
        let mut end = Tried::Done;
        for one in operations {
            match self.attempt_one(one, pid) {
                Ok(()) => done += 1,
                Err(tried) => {
                    end = self.for_whole(tried, &operations[..done], one);
                    break;
                }
            }
        }
        if !matches!(end, Tried::Done) {
            for one in operations[..done].iter().rev() {
                self.apply(one, pid, -1);
            }
            return end;
        }
        for one in operations {
            let number = usize::from(one.sem_num);
            self.sems[number].pid = pid;
            if one.sem_op != 0 {
                self.note_change(number, one.sem_op > 0);
            }
        }
        end
    }

    /// What keeps all of the operations back, if `failed` cannot be done after
    /// `before`.
    fn for_whole(&self, tried: Tried, before: &[Sembuf], failed: &Sembuf) -> Tried {
        let Tried::Blocked(mut obstacle) = tried else {
            return tried;
        };
        if let Some(exact) = &mut obstacle.exact {
            let earlier = before.iter().filter(|one| one.sem_num == failed.sem_num);
            *exact -= earlier.map(|one| i32::from(one.sem_op)).sum::<i32>();
        }
        Tried::Blocked(obstacle)
    }

    fn attempt_one(&mut self, one: &Sembuf, pid: u32) -> core::result::Result<(), Tried> {
        let sem = usize::from(one.sem_num);
        let (value, change) = (self.sems[sem].value, i32::from(one.sem_op));
        let nowait = u32::from(one.sem_flg) & IPC_NOWAIT != 0;
        let blocked = |exact| Err(Tried::Blocked(Obstacle { sem, exact, nowait }));
        if change == 0 && value != 0 {
            return blocked(Some(0));
        }
        if value + change < 0 {
            return blocked(None);
        }
        let adjusted = match one.sem_flg & SEM_UNDO != 0 {
            true => self.adjustment(pid, sem).map_or(0, i32::from) - change,
            false => 0,
        };
        if value + change > SEMVMX || !(-SEMAEM - 1..=SEMAEM).contains(&adjusted) {
            return Err(Tried::Refused(Errno::ERANGE));
        }
        self.apply(one, pid, 1);
        Ok(())
    }

    fn adjustment(&self, pid: u32, sem: usize) -> Option<i16> {
        self.undo.get(&pid)?.adjustments.get(sem).copied()
    }

    /// Does an operation that is possible, or takes it back.
    fn apply(&mut self, one: &Sembuf, pid: u32, sign: i32) {
        let number = usize::from(one.sem_num);
        let change = sign * i32::from(one.sem_op);
        self.sems[number].value += change;
        if one.sem_flg & SEM_UNDO != 0
            && let Some(undo) = self.undo.get_mut(&pid)
        {
            let adjustment = &mut undo.adjustments[number];
            *adjustment = (i32::from(*adjustment) - change) as i16;
        }
    }

    fn note_change(&mut self, number: usize, raised: bool) {
        let sem = &mut self.sems[number];
        sem.raised |= raised;
        if !sem.changed {
            sem.changed = true;
            sem.next = self.changed.replace(number);
        }
    }

    /// semop(2): does the operations, or has `who` wait for them; `finish` is
    /// called for each that waited and need not any more.
    ///
    /// # Errors
    /// `EFBIG`, `EAGAIN`, `ERANGE`, `ENOMEM`.
    pub fn operate(
        &mut self,
        operations: &[Sembuf],
        pid: u32,
        who: impl FnOnce() -> Result<W>,
        finish: &mut impl FnMut(W, Result<()>),
    ) -> Result<Step> {
        let count = self.count();
        if operations
            .iter()
            .any(|one| usize::from(one.sem_num) >= count)
        {
            return Err(Errno::EFBIG);
        }
        match self.attempt(operations, pid) {
            Tried::Done => {
                self.retry_waiters(finish);
                Ok(Step::Done)
            }
            Tried::Refused(error) => Err(error),
            Tried::Blocked(obstacle) if obstacle.nowait => Err(Errno::EAGAIN),
            Tried::Blocked(obstacle) => self.wait(operations, pid, obstacle, who()?),
        }
    }

    fn wait(
        &mut self,
        operations: &[Sembuf],
        pid: u32,
        obstacle: Obstacle,
        who: W,
    ) -> Result<Step> {
        let copy = try_copy(operations)?;
        let ticket = self.next_ticket;
        self.enlist(ticket, obstacle)?;
        let waiting = Waiting {
            operations: copy,
            pid,
            obstacle,
            who,
        };
        if let Err(error) = try_insert(&mut self.waiting, ticket, waiting) {
            self.strike(ticket, obstacle);
            return Err(error);
        }
        self.next_ticket += 1;
        Ok(Step::Waits(ticket))
    }

    fn enlist(&mut self, ticket: u64, obstacle: Obstacle) -> Result<()> {
        let sem = &mut self.sems[obstacle.sem];
        match obstacle.exact {
            Some(value) => try_insert(&mut sem.exact, (value, ticket), ()).map(drop),
            None => try_insert(&mut sem.larger, ticket, ()).map(drop),
        }
    }

    fn strike(&mut self, ticket: u64, obstacle: Obstacle) {
        let sem = &mut self.sems[obstacle.sem];
        match obstacle.exact {
            Some(value) => sem.exact.remove(&(value, ticket)),
            None => sem.larger.remove(&ticket),
        };
    }

    /// One does not wait any longer. `None` if he has been finished.
    pub fn cancel(&mut self, ticket: u64) -> Option<W> {
        let waiting = self.waiting.remove(&ticket)?;
        self.strike(ticket, waiting.obstacle);
        Some(waiting.who)
    }

    /// Tries again what waits for semaphores that have changed.
    fn retry_waiters(&mut self, finish: &mut impl FnMut(W, Result<()>)) {
        while let Some(number) = self.changed {
            let sem = &mut self.sems[number];
            self.changed = sem.next.take();
            sem.changed = false;
            let raised = core::mem::take(&mut sem.raised);
            self.retry_exact(number, finish);
            if raised {
                self.retry_larger(number, finish);
            }
        }
    }

    fn retry_exact(&mut self, number: usize, finish: &mut impl FnMut(W, Result<()>)) {
        let mut after = 0;
        loop {
            let sem = &self.sems[number];
            let now = sem.value;
            let mut candidates = sem.exact.range((now, after)..=(now, u64::MAX));
            let Some((&(_, ticket), ())) = candidates.next() else {
                return;
            };
            after = ticket + 1;
            self.retry(ticket, finish);
        }
    }

    fn retry_larger(&mut self, number: usize, finish: &mut impl FnMut(W, Result<()>)) {
        let mut after = 0;
        loop {
            let sem = &self.sems[number];
            let next = sem.larger.range(after..).next();
            let Some((&ticket, ())) = next.filter(|_| sem.value > 0) else {
                return;
            };
            after = ticket + 1;
            self.retry(ticket, finish);
        }
    }

    fn retry(&mut self, ticket: u64, finish: &mut impl FnMut(W, Result<()>)) {
        let Some(waiting) = self.waiting.get_mut(&ticket) else {
            return;
        };
        let (pid, before) = (waiting.pid, waiting.obstacle);
        let operations = core::mem::take(&mut waiting.operations);
        let result = match self.attempt(&operations, pid) {
            Tried::Done => Ok(()),
            Tried::Refused(error) => Err(error),
            Tried::Blocked(obstacle) if obstacle.nowait => Err(Errno::EAGAIN),
            Tried::Blocked(obstacle) => match self.wait_on(ticket, before, obstacle) {
                Ok(()) => {
                    if let Some(waiting) = self.waiting.get_mut(&ticket) {
                        waiting.operations = operations;
                        waiting.obstacle = obstacle;
                    }
                    return;
                }
                Err(error) => Err(error),
            },
        };
        if let Some(who) = self.cancel(ticket) {
            finish(who, result);
        }
    }

    /// One waits on, maybe for something else. `ENOMEM`.
    fn wait_on(&mut self, ticket: u64, before: Obstacle, now: Obstacle) -> Result<()> {
        if now != before {
            self.enlist(ticket, now)?;
            self.strike(ticket, before);
        }
        Ok(())
    }

    /// `SETVAL`: also takes back what the ends of processes would change.
    ///
    /// # Errors
    /// `EINVAL`, `ERANGE`.
    pub fn set(
        &mut self,
        number: usize,
        value: i32,
        pid: u32,
        finish: &mut impl FnMut(W, Result<()>),
    ) -> Result<()> {
        if !(0..=SEMVMX).contains(&value) {
            return Err(Errno::ERANGE);
        }
        self.sem(number)?;
        for undo in self.undo.values_mut() {
            undo.adjustments[number] = 0;
        }
        self.put(number, value, pid);
        self.retry_waiters(finish);
        Ok(())
    }

    fn put(&mut self, number: usize, value: i32, pid: u32) {
        let sem = &mut self.sems[number];
        let raised = value > sem.value;
        (sem.value, sem.pid) = (value, pid);
        self.note_change(number, raised);
    }

    /// `SETALL`: one value for each.
    ///
    /// # Errors
    /// `ERANGE`, and nothing has changed.
    pub fn set_all(
        &mut self,
        values: &[u16],
        pid: u32,
        finish: &mut impl FnMut(W, Result<()>),
    ) -> Result<()> {
        if values.iter().any(|&value| i32::from(value) > SEMVMX) {
            return Err(Errno::ERANGE);
        }
        for undo in self.undo.values_mut() {
            undo.adjustments.fill(0);
        }
        let count = self.count();
        for (number, &value) in values.iter().enumerate().take(count) {
            self.put(number, i32::from(value), pid);
        }
        self.retry_waiters(finish);
        Ok(())
    }

    /// Process `pid` has ended: what it asked to be undone is.
    pub fn process_ended(&mut self, pid: u32, finish: &mut impl FnMut(W, Result<()>)) {
        let Some(undo) = self.undo.remove(&pid) else {
            return;
        };
        for (number, &change) in undo.adjustments.iter().enumerate() {
            if change != 0 {
                let sem = &mut self.sems[number];
                sem.value = (sem.value + i32::from(change)).clamp(0, SEMVMX);
                sem.pid = pid;
                self.note_change(number, change > 0);
            }
        }
        self.retry_waiters(finish);
    }

    /// The set goes: all who wait are finished with `EIDRM`.
    pub fn destroy(&mut self, finish: &mut impl FnMut(W, Result<()>)) {
        self.undo.clear();
        while let Some((_, waiting)) = self.waiting.pop_first() {
            finish(waiting.who, Err(Errno::EIDRM));
        }
    }
}
