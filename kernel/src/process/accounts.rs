//! Who pays: the accounts of users and processes.

use super::current;
use super::object::Process;
use super::tree;
use crate::memory::frames;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_charge::Account;
use paddock_cred::Cap;
use paddock_process::{PIPE_MAX, Payer};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock, try_insert};
use paddock_vfs::PAGE_SIZE;

/// What the pipes of an ordinary user may come to hold, in pages, on a machine
/// with memory enough: Linux's `pipe-user-pages-soft`.
const PIPE_PAGES: usize = 16_384;

/// Users that have processes, files in memory, or bytes under way.
static USERS: SpinLock<BTreeMap<u32, Weak<Account>>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());
/// The superuser's, and the kernel's own.
static ROOT: OnceCell<Arc<Account>> = OnceCell::new();

fn root() -> &'static Arc<Account> {
    match ROOT.get() {
        Some(account) => account,
        None => panic!("accounts are asked for before there are any"),
    }
}

/// Makes the superuser's account. Once, at boot.
pub fn init() {
    match Account::of_user(usize::MAX) {
        Ok(account) => {
            let _ = ROOT.set(account);
        }
        Err(_) => panic!("no memory for the first account"),
    }
}

/// Bytes that an ordinary user may have the kernel keep.
fn user_limit() -> usize {
    frames::total() / 2 * PAGE_SIZE
}

/// A user's account. `ENOMEM`.
fn of_user(uid: u32) -> Result<Arc<Account>> {
    if uid == 0 {
        return Ok(root().clone());
    }
    let known = USERS.lock().get(&uid).and_then(Weak::upgrade);
    if let Some(account) = known {
        return Ok(account);
    }
    let new = Account::of_user(user_limit())?;
    let mut users = USERS.lock();
    // Another one may have come first meanwhile.
    if let Some(account) = users.get(&uid).and_then(Weak::upgrade) {
        drop(users);
        return Ok(account);
    }
    // A newcomer clears up after those who are gone.
    users.retain(|_, account| account.strong_count() > 0);
    try_insert(&mut users, uid, Arc::downgrade(&new))?;
    Ok(new)
}

/// An account for a new process of a user. `ENOMEM`.
pub fn of_new_process(uid: u32) -> Result<Arc<Account>> {
    Account::of_process(&of_user(uid)?)
}

/// Who pays for what is made now: the running process, or the kernel. Any
/// context but an interrupt.
pub fn paying() -> Arc<Account> {
    match current() {
        Some(thread) => thread.process.account.lock().clone(),
        None => root().clone(),
    }
}

/// The running process is another user's from now on. What it owes stays with whom it
/// was. `ENOMEM`, and nothing has changed.
pub fn change_user(process: &Process, uid: u32) -> Result<()> {
    let account = of_new_process(uid)?;
    tree().lock().set_uid(process.pid, uid)?;
    let old = core::mem::replace(&mut *process.account.lock(), account);
    drop(old);
    if uid != 0
        && let Some(thread) = current()
    {
        process.leave_operators(thread);
    }
    Ok(())
}

/// Pages that the pipes of an ordinary user may come to hold before new ones
/// are small.
pub fn pipe_user_pages_soft() -> usize {
    match SOFT_PAGES.load(Relaxed) {
        AS_MEMORY_HAS => PIPE_PAGES.min(frames::total() / 16),
        0 => usize::MAX,
        pages => pages,
    }
}

/// `fs.pipe-max-size` (pipe(7)): the largest capacity of an ordinary user's pipes.
pub static PIPE_MAX_SIZE: AtomicUsize = AtomicUsize::new(PIPE_MAX);
/// `fs.pipe-user-pages-soft`, once it is set: 0 for no bound.
pub static SOFT_PAGES: AtomicUsize = AtomicUsize::new(AS_MEMORY_HAS);
const AS_MEMORY_HAS: usize = usize::MAX;

/// Calls `body` with who pays for a pipe of the running process.
pub fn with_pipe_payer<T>(body: impl FnOnce(&Payer<'_>) -> T) -> T {
    let account = paying();
    let is_privileged =
        current().is_none_or(|thread| thread.with_cred(|cred| cred.capable(Cap::CAP_SYS_RESOURCE)));
    let (soft_pages, most) = match is_privileged {
        true => (usize::MAX, PIPE_MAX),
        false => (pipe_user_pages_soft(), PIPE_MAX_SIZE.load(Relaxed)),
    };
    body(&Payer {
        account: &account,
        soft_pages,
        most,
    })
}

/// For each user with an account: (uid, account), the superuser first.
/// `ENOMEM`.
pub fn all() -> Result<Vec<(u32, Arc<Account>)>> {
    let mut accounts = Vec::new();
    let count = USERS.lock().len();
    accounts.try_reserve(count + 8).map_err(|_| Errno::ENOMEM)?;
    accounts.push((0, root().clone()));
    let room = accounts.capacity();
    for (uid, account) in USERS.lock().iter() {
        if accounts.len() < room
            && let Some(account) = account.upgrade()
        {
            accounts.push((*uid, account));
        }
    }
    Ok(accounts)
}
