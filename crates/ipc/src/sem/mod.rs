//! Semaphores: semget(2), semop(2) and semctl(2).

mod engine;
#[cfg(test)]
mod tests;

pub use engine::{Engine, SEMVMX};

use crate::sleeper::{Sleeper, errno};
use crate::table::{self, Table, Which};
use crate::{Caller, Perm};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};
use engine::Step;
use paddock_abi::ipc::{IpcPerm, SEM_UNDO, Sembuf, SemidDs};
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_sync::{Deadline, PreemptOff, Rank, SpinLock, try_arc};

/// Semaphores in a set.
pub const SEMMSL: usize = 32_000;
/// Semaphores of all sets together.
pub const SEMMNS: usize = 1_024_000_000;
/// Operations in one call.
pub const SEMOPM: usize = 500;
/// Sets.
pub const SEMMNI: u32 = 32_000;

/// A set of semaphores.
#[derive(Debug)]
pub struct Set {
    id: AtomicI32,
    count: usize,
    state: SpinLock<State, PreemptOff>,
    _charge: Charge,
}

type Waiter = Arc<Sleeper<Result<()>>>;

#[derive(Debug)]
struct State {
    perm: Perm,
    operated: i64,
    changed: i64,
    removed: bool,
    engine: Engine<Waiter>,
}

/// Ends a wait. The waiter's own share is not the last.
fn finish(waiter: Waiter, result: Result<()>) {
    waiter.finish(result);
}

/// The sets that have something to undo at a process's end.
#[derive(Debug, Default)]
pub struct UndoList(Vec<Weak<Set>>);

impl UndoList {
    /// None.
    pub const fn new() -> Self {
        UndoList(Vec::new())
    }

    /// Whether there is nothing to undo.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes room for one more. `ENOMEM`.
    fn reserve(&mut self) -> Result<()> {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|set| set.strong_count() > 0);
        }
        self.0.try_reserve(1).map_err(|_| Errno::ENOMEM)
    }

    /// Process `pid` ends.
    pub fn undo(self, pid: u32, now: i64) {
        for set in self.0.iter().filter_map(Weak::upgrade) {
            let mut state = set.state.lock();
            state.operated = now;
            state.engine.process_ended(pid, &mut finish);
        }
    }
}

impl Set {
    fn new(
        caller: &Caller<'_>,
        (key, flags): (i32, u32),
        count: usize,
        charge: Charge,
    ) -> Result<Set> {
        Ok(Set {
            id: AtomicI32::new(-1),
            count,
            state: SpinLock::new(
                Rank::Leaf,
                State {
                    perm: Perm::new(key, flags, caller.cred),
                    operated: 0,
                    changed: caller.now,
                    removed: false,
                    engine: Engine::new(count)?,
                },
            ),
            _charge: charge,
        })
    }

    /// Its identifier.
    pub fn id(&self) -> i32 {
        self.id.load(Relaxed)
    }

    /// How many semaphores it has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// As `IPC_STAT` shows it.
    pub fn shown(&self) -> SemidDs {
        let state = self.state.lock();
        SemidDs {
            sem_perm: state.perm.shown(self.id()),
            sem_otime: state.operated,
            sem_ctime: state.changed,
            sem_nsems: self.count as u64,
            unused: [0; 2],
        }
    }

    /// Calls `body` with the state, if `wanted` is granted. `EACCES`, `EIDRM`.
    fn with<T>(
        &self,
        caller: &Caller<'_>,
        wanted: u32,
        body: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.lock();
        state.perm.check(caller.cred, wanted)?;
        match state.removed {
            true => Err(Errno::EIDRM),
            false => body(&mut state),
        }
    }

    /// What `look` says of the semaphores, which may be read. `EACCES`,
    /// `EIDRM`; what `look` says.
    pub fn look<T>(
        &self,
        caller: &Caller<'_>,
        look: impl FnOnce(&Engine<Arc<Sleeper<Result<()>>>>) -> Result<T>,
    ) -> Result<T> {
        self.with(caller, 0o444, |state| look(&state.engine))
    }

    /// Whether they may be read, or written. `EACCES`, `EIDRM`.
    pub fn check(&self, caller: &Caller<'_>, wanted: u32) -> Result<()> {
        self.with(caller, wanted, |_| Ok(()))
    }

    /// `SETVAL`. `EINVAL`, `ERANGE`, `EACCES`, `EIDRM`.
    pub fn set_value(&self, caller: &Caller<'_>, number: usize, value: i32) -> Result<()> {
        if number >= self.count {
            return Err(Errno::EINVAL);
        }
        self.with(caller, 0o222, |state| {
            state.engine.set(number, value, caller.pid, &mut finish)?;
            state.changed = caller.now;
            Ok(())
        })
    }

    /// `SETALL`. `ERANGE`, `EACCES`, `EIDRM`.
    pub fn set_all(&self, caller: &Caller<'_>, values: &[u16]) -> Result<()> {
        self.with(caller, 0o222, |state| {
            state.engine.set_all(values, caller.pid, &mut finish)?;
            state.changed = caller.now;
            Ok(())
        })
    }
}

/// All sets.
#[derive(Debug)]
pub struct Sets {
    table: SpinLock<Table<Set>, PreemptOff>,
    semaphores: AtomicUsize,
}

impl Default for Sets {
    fn default() -> Self {
        Self::new()
    }
}

impl Sets {
    /// None.
    pub const fn new() -> Self {
        Sets {
            table: SpinLock::new(Rank::Leaf, Table::new()),
            semaphores: AtomicUsize::new(0),
        }
    }

    /// semget(2). `account` pays for a new set.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `EEXIST`, `ENOENT`, `ENOSPC`, `ENOMEM` as in the
    /// manual.
    pub fn get(
        &self,
        caller: &Caller<'_>,
        (key, flags): (i32, u32),
        count: i32,
        account: &Arc<Account>,
    ) -> Result<i32> {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        if count > SEMMSL {
            return Err(Errno::EINVAL);
        }
        let check = |set: &Set| match count > set.count {
            true => Err(Errno::EINVAL),
            false => set.state.lock().perm.check(caller.cred, flags & 0o777),
        };
        let make = || {
            if count == 0 {
                return Err(Errno::EINVAL);
            }
            if self.semaphores.load(Relaxed) + count > SEMMNS {
                return Err(Errno::ENOSPC);
            }
            let bytes = size_of::<Set>() + Engine::<Waiter>::bytes(count);
            let charge = Charge::new(account, bytes)?;
            try_arc(Set::new(caller, (key, flags), count, charge)?)
        };
        let add = |table: &mut Table<Set>, set: Arc<Set>| {
            let id = table.insert(key, SEMMNI, set.clone())?;
            set.id.store(id, Relaxed);
            self.semaphores.fetch_add(count, Relaxed);
            Ok(id)
        };
        table::get(&self.table, (key, flags), check, make, add)
    }

    /// The set of an identifier. `EINVAL`.
    pub fn find(&self, id: i32) -> Result<Arc<Set>> {
        self.table.lock().get(id).cloned()
    }

    /// semop(2): may sleep until `deadline`. What is to be undone is noted in
    /// the process's `undo`, and owed to `account`.
    ///
    /// # Errors
    /// `EINVAL`, `EFBIG`, `EACCES`, `EAGAIN`, `EIDRM`, `EINTR`, `ENOMEM`,
    /// `ERANGE` as in the manual.
    pub fn operate(
        &self,
        caller: &Caller<'_>,
        id: i32,
        operations: &[Sembuf],
        deadline: Deadline,
        (undo, account): (&SpinLock<UndoList>, &Arc<Account>),
    ) -> Result<()> {
        let set = self.find(id)?;
        if operations
            .iter()
            .any(|one| usize::from(one.sem_num) >= set.count)
        {
            return Err(Errno::EFBIG);
        }
        let alters = operations.iter().any(|one| one.sem_op != 0);
        let wanted = if alters { 0o222 } else { 0o444 };
        let mut sleeper = None;
        let step = set.with(caller, wanted, |state| {
            if operations.iter().any(|one| one.sem_flg & SEM_UNDO != 0) {
                let mut undo = undo.lock();
                undo.reserve()?;
                let charge = |bytes| Charge::new(account, bytes);
                if state.engine.prepare_undo(caller.pid, charge)? {
                    undo.0.push(Arc::downgrade(&set));
                }
            }
            let who = || {
                let new = Sleeper::new()?;
                sleeper = Some(new.clone());
                Ok(new)
            };
            let step = state
                .engine
                .operate(operations, caller.pid, who, &mut finish)?;
            if step == Step::Done {
                state.operated = caller.now;
            }
            Ok(step)
        })?;
        let (Step::Waits(ticket), Some(sleeper)) = (step, sleeper) else {
            return Ok(());
        };
        let cancel = || drop(set.state.lock().engine.cancel(ticket));
        sleeper
            .wait(deadline, cancel)
            .unwrap_or_else(|error| Err(errno(error)))
    }

    /// `IPC_RMID`.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    pub fn remove(&self, caller: &Caller<'_>, id: i32) -> Result<()> {
        let set = self.find(id)?;
        let mut state = set.state.lock();
        state.perm.check_change(caller.cred)?;
        if core::mem::replace(&mut state.removed, true) {
            return Err(Errno::EIDRM);
        }
        let key = state.perm.key;
        state.engine.destroy(&mut finish);
        drop(state);
        self.semaphores.fetch_sub(set.count, Relaxed);
        let removed = self.table.lock().remove(id, key);
        drop(removed);
        Ok(())
    }

    /// `IPC_SET`.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    pub fn set(&self, caller: &Caller<'_>, id: i32, new: &IpcPerm) -> Result<()> {
        let set = self.find(id)?;
        let mut state = set.state.lock();
        state.perm.check_change(caller.cred)?;
        state.perm.set(new)?;
        state.changed = caller.now;
        Ok(())
    }

    /// `IPC_STAT`, `SEM_STAT` and `SEM_STAT_ANY`: the identifier as well.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`.
    pub fn stat(&self, caller: &Caller<'_>, which: Which) -> Result<(i32, SemidDs)> {
        let table = self.table.lock();
        let (id, set) = table.find(which)?;
        let set = set.clone();
        drop(table);
        if !matches!(which, Which::IndexForAll(_)) {
            set.state.lock().perm.check(caller.cred, 0o444)?;
        }
        Ok((id, set.shown()))
    }

    /// The first set at an index or above it.
    pub fn from(&self, index: u32) -> Option<Arc<Set>> {
        let table = self.table.lock();
        table.from(index).map(|(_, set)| set.clone())
    }

    /// How many there are, the highest index, and the semaphores of all.
    pub fn counts(&self) -> (usize, u32, usize) {
        let table = self.table.lock();
        (table.len(), table.highest(), self.semaphores.load(Relaxed))
    }
}
