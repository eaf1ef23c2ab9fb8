//! Process accounting (acct(2)): a record of each process that ends, in a file for each
//! PID namespace that has asked for one.
//!
//! While nobody has, an end costs the look at one number.

use super::numbers::known_to;
use super::object::{Process, UserThread};
use super::{identity, terminals, tree};
use crate::time;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use paddock_abi::time::NANOS;
use paddock_abi::{Errno, Result};
use paddock_cred::UserNamespace;
use paddock_process::acct::{Flags, Record};
use paddock_process::{Local, PidSpace, WaitStatus};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc, try_string};
use paddock_vfs::OpenFile;

/// `/proc/sys/kernel/acct` (proc_sys_kernel(5)): of so much free space in a hundred it
/// goes on again, below so much it rests, and that is looked at every so many seconds.
pub static SETTINGS: [AtomicU32; 3] = [AtomicU32::new(4), AtomicU32::new(2), AtomicU32::new(30)];

/// How many there are.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static ALL: SpinLock<Vec<Arc<Account>>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());

/// Where the processes of a namespace are accounted for.
struct Account {
    space: PidSpace,
    file: Arc<OpenFile>,
    /// Whose ids are written.
    viewer: UserNamespace,
    /// There is too little space.
    rests: AtomicBool,
    /// When that is looked at next.
    look_at: AtomicU64,
}

impl Account {
    /// Whether there is space. May sleep.
    fn has_space(&self) -> bool {
        let now = time::now();
        if now < self.look_at.load(Relaxed) {
            return !self.rests.load(Relaxed);
        }
        let [resume, suspend, seconds] = SETTINGS.each_ref().map(|it| u64::from(it.load(Relaxed)));
        let stats = self.file.path().map(|path| path.mount().fs().stats());
        if let Some(Ok(stats)) = stats {
            let rests = self.rests.load(Relaxed);
            let least = if rests { resume } else { suspend };
            let needed = u128::from(stats.blocks) * u128::from(least);
            let has = u128::from(stats.blocks_available) * 100 >= needed;
            self.rests.store(!has, Relaxed);
            if has == rests {
                let what = if has { "goes on" } else { "rests" };
                log::info!("process accounting {what}");
            }
        }
        self.look_at.store(now + seconds * NANOS, Relaxed);
        !self.rests.load(Relaxed)
    }

    /// Writes a record, with ids and numbers as they are known there in place of the
    /// kernel's. What cannot be written is not told, as on Linux. Sleeps.
    fn write(&self, record: &Record<'_>) {
        let (process, parent) = record.numbers;
        let number = known_to(&self.space, process);
        if number == Local::NOBODY || !self.has_space() {
            return;
        }
        let (user, group) = record.owner;
        let record = Record {
            owner: (self.viewer.shown_uid(user), self.viewer.shown_gid(group)),
            numbers: (number.get(), known_to(&self.space, parent).get()),
            ..record.clone()
        };
        let _ = self.file.write(&record.encode());
    }
}

/// The processes of `space` and of those in it are accounted for in `file`, in place of
/// another one. Sleeps.
///
/// # Errors
/// `ENOMEM`.
pub fn begin(space: &PidSpace, file: Arc<OpenFile>) -> Result<()> {
    let account = try_arc(Account {
        space: space.clone(),
        file,
        viewer: identity::viewer(),
        rests: AtomicBool::new(false),
        look_at: AtomicU64::new(0),
    })?;
    let mut all = ALL.lock();
    let old = match all.iter_mut().find(|it| it.space == *space) {
        Some(place) => Some(core::mem::replace(place, account)),
        None => {
            all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            all.push(account);
            None
        }
    };
    ACTIVE.store(all.len(), Relaxed);
    drop(all);
    drop(old);
    Ok(())
}

/// They are not any more. Sleeps.
pub fn end(space: &PidSpace) {
    let mut all = ALL.lock();
    let found = all.iter().position(|it| it.space == *space);
    let gone = found.map(|index| all.swap_remove(index));
    ACTIVE.store(all.len(), Relaxed);
    drop(all);
    drop(gone);
}

/// A process ends, whose last thread runs and has its memory still. Sleeps.
#[inline]
pub fn process_ends(process: &Process, thread: &UserThread) {
    if ACTIVE.load(Relaxed) > 0 {
        account_for(process, thread);
    }
}

#[cold]
#[inline(never)]
fn account_for(process: &Process, thread: &UserThread) {
    process.count_rest(thread);
    let code = process.exit_code.load(Relaxed);
    let decided = process.signals.lock().ending();
    let status = decided.unwrap_or(WaitStatus::Exited(code));
    let (session, parent, is_fork) = {
        let tree = tree().lock();
        let pid = process.pid;
        (tree.session(pid), tree.parent(pid), !tree.has_execed(pid))
    };
    let mut flags = Flags::empty();
    flags.set(Flags::FORK, is_fork);
    flags.set(Flags::SIGNAL, matches!(status, WaitStatus::Signaled { .. }));
    let (elapsed, usage) = (time::now() - process.started, process.usage());
    let memory = process.memory().map(|memory| memory.counters().mapped);
    let cred = process.cred();
    let name = try_string(&process.names.lock().comm).unwrap_or_default();
    let record = Record {
        flags,
        terminal: terminals::device_of(session.unwrap_or(0)),
        status: status.to_raw(),
        owner: (cred.uid.real, cred.gid.real),
        numbers: (process.pid, parent.unwrap_or(0)),
        begun: (time::wall().saturating_sub(elapsed) / NANOS) as i64,
        elapsed_ns: elapsed,
        used_ns: (usage.user_ns, usage.system_ns),
        memory_kib: memory.unwrap_or(0) * (paddock_mem::PAGE_SIZE / 1024),
        faults: (usage.minor_faults, usage.major_faults),
        name: name.as_bytes(),
    };
    let mut index = 0;
    loop {
        let next = ALL.lock().get(index).cloned();
        let Some(account) = next else { break };
        account.write(&record);
        index += 1;
    }
    if process.number == Local::FIRST && !process.space.is_initial() {
        end(&process.space);
    }
}
