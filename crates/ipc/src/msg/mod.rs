//! Message queues: msgget(2), msgop(2) and msgctl(2).

mod engine;
#[cfg(test)]
mod tests;

pub use engine::{Counts, Engine, Message, Outcome, Request, Step, Wanted};

use crate::sleeper::{Sleeper, errno};
use crate::table::{self, Table, Which};
use crate::{Caller, Perm};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::Relaxed};
use paddock_abi::ipc::{IPC_NOWAIT, MSG_COPY, MSG_EXCEPT, MSG_NOERROR, MsqidDs};
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_cred::Cap;
use paddock_sync::{NO_DEADLINE, PreemptOff, Rank, SpinLock, try_arc, try_copy};

/// The longest message, in bytes (`kernel.msgmax`).
pub static MSGMAX: AtomicUsize = AtomicUsize::new(8192);
/// Bytes that a new queue may hold (`kernel.msgmnb`).
pub static MSGMNB: AtomicUsize = AtomicUsize::new(16_384);
/// Queues (`kernel.msgmni`).
pub static MSGMNI: AtomicU32 = AtomicU32::new(32_000);

/// What a message takes beside its text, in bytes.
const OVERHEAD: usize = 128;

type Waiter = Arc<Sleeper<Outcome>>;

/// A queue.
#[derive(Debug)]
pub struct Queue {
    id: AtomicI32,
    state: SpinLock<State, PreemptOff>,
    _charge: Charge,
}

#[derive(Debug)]
struct State {
    perm: Perm,
    sent: i64,
    received: i64,
    changed: i64,
    removed: bool,
    engine: Engine<Waiter>,
}

/// Ends a wait. The waiter's own share is not the last.
fn finish(waiter: Waiter, outcome: Outcome) {
    waiter.finish(outcome);
}

impl Queue {
    fn new(caller: &Caller<'_>, (key, flags): (i32, u32), charge: Charge) -> Queue {
        Queue {
            id: AtomicI32::new(-1),
            state: SpinLock::new(
                Rank::Leaf,
                State {
                    perm: Perm::new(key, flags, caller.cred),
                    sent: 0,
                    received: 0,
                    changed: caller.now,
                    removed: false,
                    engine: Engine::new(MSGMNB.load(Relaxed)),
                },
            ),
            _charge: charge,
        }
    }

    /// Its identifier.
    pub fn id(&self) -> i32 {
        self.id.load(Relaxed)
    }

    /// How many wait to receive, and to send.
    pub fn waiting(&self) -> (usize, usize) {
        self.state.lock().engine.waiting()
    }

    /// As `IPC_STAT` shows it.
    pub fn shown(&self) -> MsqidDs {
        let state = self.state.lock();
        let counts = state.engine.counts();
        MsqidDs {
            msg_perm: state.perm.shown(self.id()),
            msg_stime: state.sent,
            msg_rtime: state.received,
            msg_ctime: state.changed,
            msg_cbytes: counts.bytes as u64,
            msg_qnum: counts.messages as u64,
            msg_qbytes: state.engine.capacity() as u64,
            msg_lspid: counts.sender,
            msg_lrpid: counts.receiver,
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

    /// Sleeps if a call has to.
    fn end(&self, step: Step, sleeper: Option<Waiter>) -> Result<Option<Message>> {
        match (step, sleeper) {
            (Step::Waits(ticket), Some(sleeper)) => {
                let cancel = || drop(self.state.lock().engine.cancel(ticket));
                sleeper
                    .wait(NO_DEADLINE, cancel)
                    .unwrap_or_else(|error| Err(errno(error)))
            }
            (Step::Done(message), _) => Ok(message),
            (Step::Waits(_), None) => Err(Errno::EINTR),
        }
    }
}

/// All queues.
#[derive(Debug)]
pub struct Queues {
    table: SpinLock<Table<Queue>, PreemptOff>,
}

impl Default for Queues {
    fn default() -> Self {
        Self::new()
    }
}

impl Queues {
    /// None.
    pub const fn new() -> Self {
        Queues {
            table: SpinLock::new(Rank::Leaf, Table::new()),
        }
    }

    /// msgget(2). `account` pays for a new queue.
    ///
    /// # Errors
    /// `EACCES`, `EEXIST`, `ENOENT`, `ENOSPC`, `ENOMEM` as in the manual.
    pub fn get(
        &self,
        caller: &Caller<'_>,
        (key, flags): (i32, u32),
        account: &Arc<Account>,
    ) -> Result<i32> {
        let check = |queue: &Queue| queue.state.lock().perm.check(caller.cred, flags & 0o777);
        let make = || {
            let charge = Charge::new(account, size_of::<Queue>())?;
            try_arc(Queue::new(caller, (key, flags), charge))
        };
        let add = |table: &mut Table<Queue>, queue: Arc<Queue>| {
            let id = table.insert(key, MSGMNI.load(Relaxed), queue.clone())?;
            queue.id.store(id, Relaxed);
            Ok(id)
        };
        table::get(&self.table, (key, flags), check, make, add)
    }

    fn find(&self, id: i32) -> Result<Arc<Queue>> {
        self.table.lock().get(id).cloned()
    }

    /// msgsnd(2): `account` owes the message until it is received. May sleep.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `EAGAIN`, `EIDRM`, `EINTR`, `ENOMEM` as in the
    /// manual.
    pub fn send(
        &self,
        caller: &Caller<'_>,
        (id, flags): (i32, u32),
        (kind, text): (i64, Vec<u8>),
        account: &Arc<Account>,
    ) -> Result<()> {
        if kind < 1 || text.len() > MSGMAX.load(Relaxed) {
            return Err(Errno::EINVAL);
        }
        let queue = self.find(id)?;
        let mut sleeper = None;
        let step = queue.with(caller, 0o222, |state| {
            let charge = Some(Charge::new(account, text.len() + OVERHEAD)?);
            let who = (flags & IPC_NOWAIT == 0).then_some(|| {
                let new = Sleeper::new()?;
                sleeper = Some(new.clone());
                Ok(new)
            });
            let message = Message { kind, text, charge };
            let step = state.engine.send(message, caller.pid, who, &mut finish)?;
            state.sent = caller.now;
            Ok(step)
        })?;
        queue.end(step, sleeper).map(drop)
    }

    /// msgrcv(2) with `MSG_COPY`: a copy of the message at an index, which stays.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `E2BIG`, `ENOMSG`, `EIDRM`, `ENOMEM` as in the manual; and
    /// `EINVAL` for one that would have to be cut.
    pub fn copy(
        &self,
        caller: &Caller<'_>,
        (id, flags): (i32, u32),
        index: i64,
        most: usize,
    ) -> Result<Message> {
        let queue = self.find(id)?;
        queue.with(caller, 0o444, |state| {
            let index = usize::try_from(index).map_err(|_| Errno::ENOMSG)?;
            let found = state.engine.at(index).ok_or(Errno::ENOMSG)?;
            if found.text.len() > most {
                return Err(match flags & MSG_NOERROR {
                    0 => Errno::E2BIG,
                    _ => Errno::EINVAL,
                });
            }
            Ok(Message {
                kind: found.kind,
                text: try_copy(&found.text)?,
                charge: None,
            })
        })
    }

    /// msgrcv(2), without `MSG_COPY`. May sleep.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `E2BIG`, `ENOMSG`, `EIDRM`, `EINTR`, `ENOMEM` as in
    /// the manual.
    pub fn receive(
        &self,
        caller: &Caller<'_>,
        (id, flags): (i32, u32),
        kind: i64,
        most: usize,
    ) -> Result<Message> {
        let queue = self.find(id)?;
        let mut sleeper = None;
        let step = queue.with(caller, 0o444, |state| {
            let request = Request::new(kind, most, flags, caller.pid);
            let who = (flags & IPC_NOWAIT == 0).then_some(|| {
                let new = Sleeper::new()?;
                sleeper = Some(new.clone());
                Ok(new)
            });
            let step = state.engine.receive(request, who, &mut finish)?;
            state.received = caller.now;
            Ok(step)
        })?;
        queue.end(step, sleeper)?.ok_or(Errno::ENOMSG)
    }

    /// `IPC_RMID`.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    pub fn remove(&self, caller: &Caller<'_>, id: i32) -> Result<()> {
        let queue = self.find(id)?;
        let mut state = queue.state.lock();
        state.perm.check_change(caller.cred)?;
        if core::mem::replace(&mut state.removed, true) {
            return Err(Errno::EIDRM);
        }
        let key = state.perm.key;
        let messages = state.engine.destroy(&mut finish);
        drop(state);
        drop(messages);
        let removed = self.table.lock().remove(id, key);
        drop(removed);
        Ok(())
    }

    /// `IPC_SET`.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    pub fn set(&self, caller: &Caller<'_>, id: i32, new: &MsqidDs) -> Result<()> {
        let queue = self.find(id)?;
        let mut state = queue.state.lock();
        state.perm.check_change(caller.cred)?;
        if new.msg_qbytes > MSGMNB.load(Relaxed) as u64
            && !caller.cred.capable(Cap::CAP_SYS_RESOURCE)
        {
            return Err(Errno::EPERM);
        }
        state.perm.set(&new.msg_perm)?;
        state.changed = caller.now;
        let capacity = usize::try_from(new.msg_qbytes).unwrap_or(usize::MAX);
        state.engine.set_capacity(capacity, &mut finish);
        Ok(())
    }

    /// `IPC_STAT`, `MSG_STAT` and `MSG_STAT_ANY`: the identifier as well.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`.
    pub fn stat(&self, caller: &Caller<'_>, which: Which) -> Result<(i32, MsqidDs)> {
        let table = self.table.lock();
        let (id, queue) = table.find(which)?;
        let queue = queue.clone();
        drop(table);
        if !matches!(which, Which::IndexForAll(_)) {
            queue.state.lock().perm.check(caller.cred, 0o444)?;
        }
        Ok((id, queue.shown()))
    }

    /// The first queue at an index or above it.
    pub fn from(&self, index: u32) -> Option<Arc<Queue>> {
        let table = self.table.lock();
        table.from(index).map(|(_, queue)| queue.clone())
    }

    /// How many there are, and the highest index.
    pub fn counts(&self) -> (usize, u32) {
        let table = self.table.lock();
        (table.len(), table.highest())
    }
}

/// Whether msgrcv(2)'s flags ask for a copy. `EINVAL` if they make no sense.
pub fn is_copy(flags: u32) -> Result<bool> {
    match flags & MSG_COPY {
        0 => Ok(false),
        _ if flags & MSG_EXCEPT != 0 || flags & IPC_NOWAIT == 0 => Err(Errno::EINVAL),
        _ => Ok(true),
    }
}
