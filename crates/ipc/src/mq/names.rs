//! The names of queues, and what they cost.

use super::{Paid, QUEUES_MAX, Queue, Size};
use crate::Caller;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::ipc::MqAttr;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_cred::{Access, Cap, FileRights};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc, try_insert};

/// The longest name.
const NAME_MAX: usize = 255;

/// Bytes of all queues of each user (`RLIMIT_MSGQUEUE`).
static OF_USERS: SpinLock<BTreeMap<u32, u64>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());

/// Bytes that count for a user for as long as this is there.
#[derive(Debug)]
pub(super) struct Counted {
    uid: u32,
    bytes: u64,
}

impl Counted {
    /// `EMFILE` beyond the limit, `ENOMEM`.
    fn new(uid: u32, bytes: u64, limit: u64) -> Result<Counted> {
        let mut users = OF_USERS.lock();
        let sum = users.get(&uid).copied().unwrap_or(0).saturating_add(bytes);
        if sum > limit {
            return Err(Errno::EMFILE);
        }
        try_insert(&mut users, uid, sum)?;
        Ok(Counted { uid, bytes })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut users = OF_USERS.lock();
        if let Some(sum) = users.get_mut(&self.uid) {
            *sum -= self.bytes;
            if *sum == 0 {
                users.remove(&self.uid);
            }
        }
    }
}

/// What mq_open(2) asks for.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// `O_CREAT`.
    pub create: bool,
    /// `O_EXCL`.
    pub exclusive: bool,
    /// How it is to be used.
    pub access: Access,
    /// Permission bits of a new one, without the mask's.
    pub mode: u32,
    /// How much a new one is to hold.
    pub attr: Option<&'a MqAttr>,
    /// `RLIMIT_MSGQUEUE`.
    pub limit: u64,
}

/// All queues that have a name.
#[derive(Debug)]
pub struct Names<N> {
    queues: SpinLock<BTreeMap<Vec<u8>, Arc<Queue<N>>>, PreemptOff>,
}

impl<N> Default for Names<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// `ENOENT`, `EACCES`, `ENAMETOOLONG` for what is no name of a queue.
fn check_name(name: &[u8]) -> Result<()> {
    match name {
        [] => Err(Errno::ENOENT),
        b"." | b".." => Err(Errno::EACCES),
        _ if name.contains(&b'/') => Err(Errno::EACCES),
        _ if name.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
        _ => Ok(()),
    }
}

impl<N> Names<N> {
    /// None.
    pub const fn new() -> Self {
        Names {
            queues: SpinLock::new(Rank::Leaf, BTreeMap::new()),
        }
    }

    /// mq_open(2): the queue of that name, or a new one, for which `account`
    /// pays.
    ///
    /// # Errors
    /// `EACCES`, `EEXIST`, `EINVAL`, `EMFILE`, `ENAMETOOLONG`, `ENOENT`,
    /// `ENOMEM`, `ENOSPC` as in the manual.
    pub fn open(
        &self,
        caller: &Caller<'_>,
        name: Vec<u8>,
        how: &Open<'_>,
        account: &Arc<Account>,
    ) -> Result<Arc<Queue<N>>> {
        check_name(&name)?;
        if let Some(known) = self.known(caller, &name, how) {
            return known;
        }
        if !how.create {
            return Err(Errno::ENOENT);
        }
        let new = self.make(caller, how, account)?;
        let mut queues = self.queues.lock();
        if queues.contains_key(&name) {
            drop(queues);
            return self.open(caller, name, how, account);
        }
        if queues.len() >= QUEUES_MAX && !caller.cred.capable(Cap::CAP_SYS_RESOURCE) {
            return Err(Errno::ENOSPC);
        }
        try_insert(&mut queues, name, new.clone())?;
        Ok(new)
    }

    /// The queue of a name, if there is one and it may be opened.
    fn known(
        &self,
        caller: &Caller<'_>,
        name: &[u8],
        how: &Open<'_>,
    ) -> Option<Result<Arc<Queue<N>>>> {
        let queue = self.queues.lock().get(name)?.clone();
        if how.create && how.exclusive {
            return Some(Err(Errno::EEXIST));
        }
        let allowed = caller.cred.check_file(&queue.rights, how.access);
        Some(allowed.map(|()| queue))
    }

    fn make(
        &self,
        caller: &Caller<'_>,
        how: &Open<'_>,
        account: &Arc<Account>,
    ) -> Result<Arc<Queue<N>>> {
        let size = Size::new(how.attr, caller.cred)?;
        let (uid, gid) = (caller.cred.uid.fs, caller.cred.gid.fs);
        let cost = size.cost();
        let paid = Paid {
            _counted: Counted::new(uid, cost, how.limit)?,
            _charge: Charge::new(account, cost as usize)?,
        };
        let rights = FileRights {
            mode: how.mode & 0o777,
            uid,
            gid,
            directory: false,
            decided_there: false,
        };
        try_arc(Queue::new(rights, size, paid))
    }

    /// mq_unlink(2): what has it open keeps it.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`, `ENAMETOOLONG`; `EPERM` for another's, as in a
    /// directory with the sticky bit.
    pub fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        check_name(name)?;
        let mut queues = self.queues.lock();
        let queue = queues.get(name).ok_or(Errno::ENOENT)?;
        if caller.cred.uid.fs != queue.rights.uid && !caller.cred.capable(Cap::CAP_FOWNER) {
            return Err(Errno::EPERM);
        }
        let removed = queues.remove(name);
        drop(queues);
        drop(removed);
        Ok(())
    }
}
