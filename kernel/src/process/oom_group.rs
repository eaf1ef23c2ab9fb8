//! Running out of the memory that a cgroup may have: one process of it is killed,
//! or all of those that are to go as a whole (`memory.oom.group`), and never any
//! outside it. There is nothing that a group could give back instead: what is only
//! kept to be quicker is no group's.

use super::cgroup::processes_of;
use super::object::{Process, UserThread};
use super::{current, exit, oom, signal_pending};
use crate::time;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::Result;
use paddock_abi::signal::SIGKILL;
use paddock_cgroup::{Group, MemoryEvent};
use paddock_frames::AccountId;
use paddock_process::WaitStatus;
use paddock_process::oom::{Candidate, choose};
use paddock_sync::{Mutex, Rank};

/// One chooses at a time, so that the next sees whom.
static CHOOSING: Mutex<()> = Mutex::new(Rank::OutOfMemory, ());

fn fits(group: &Group, more: u64) -> bool {
    let has = group.memory();
    has.current.saturating_add(more) <= has.max
}

/// After a fault or system call of the running thread for which its group, or one
/// above, has no memory left: whether there may be some now. Sleeps; no lock may
/// be held.
pub fn relieve(thread: &UserThread, over: AccountId) -> bool {
    let own = thread.process.cgroup();
    let Some(limited) = own.holder_of(over) else {
        // It is elsewhere by now, where other limits hold.
        return true;
    };
    limited.note_memory(MemoryEvent::Max);
    let relieved = make_room(limited, thread, 1);
    limited.tell();
    relieved
}

/// Kills until a group has no more than it may, or there is nobody left, or a
/// signal comes. Sleeps; no lock may be held.
pub fn shrink(group: &Arc<Group>) -> Result<()> {
    let Some(thread) = current() else {
        return Ok(());
    };
    while !fits(group, 0) && !signal_pending() && make_room(group, thread, 0) {}
    group.tell();
    Ok(())
}

/// Kills, unless one is ending already, and waits for what that gives back; false
/// if there is nobody to kill, or the thread itself is to end.
fn make_room(limited: &Arc<Group>, thread: &UserThread, more: u64) -> bool {
    let over = oom::releases();
    {
        let _chooses = CHOOSING.lock();
        if thread.is_ending() || fits(limited, more) {
            return !thread.is_ending();
        }
        match kill_unless_ending(limited, thread) {
            Ok(true) => {}
            Ok(false) | Err(_) => return false,
        }
    }
    let deadline = time::now() + oom::PATIENCE_NS;
    // Who waits too long in vain looks for another one.
    let _ = oom::RELEASED.wait_deadline(deadline, || {
        let released = oom::releases() != over || thread.is_ending();
        (released || fits(limited, more)).then_some(())
    });
    !thread.is_ending()
}

/// Whether one is ending, or was told to. `ENOMEM`.
fn kill_unless_ending(limited: &Arc<Group>, needy: &UserThread) -> Result<bool> {
    let targets = processes_of(limited)?;
    let mut chosen: Option<Candidate> = None;
    let total = limited.memory().max;
    for process in targets.processes() {
        let is_dying = process.signals.lock().is_dying();
        if is_dying && process.memory().is_ok() {
            return Ok(true);
        }
        let found = oom::candidate(process);
        chosen = choose(chosen.into_iter().chain([found]), total);
    }
    let victim = chosen.and_then(|chosen| {
        let mut all = targets.processes().iter();
        all.find(|process| process.pid == chosen.pid).cloned()
    });
    drop(targets);
    let Some(victim) = victim else {
        return Ok(false);
    };
    limited.note_memory(MemoryEvent::Oom);
    let own = victim.cgroup();
    match own.oom_group(limited) {
        Some(whole) => {
            whole.note_memory(MemoryEvent::OomGroupKill);
            let targets = processes_of(whole)?;
            let processes = targets.processes().iter();
            processes
                .filter(|process| !oom::candidate(process).is_protected())
                .for_each(|process| kill(process, limited, needy));
        }
        None => kill(&victim, limited, needy),
    }
    Ok(true)
}

fn kill(victim: &Process, limited: &Arc<Group>, needy: &UserThread) {
    let path = limited.path().unwrap_or_default();
    let pages = oom::candidate(victim).pages;
    log::error!(
        "out of memory in cgroup {}, which may have {} kB: killed process {} ({}), {} kB; process {} needed memory",
        path.escape_ascii(),
        oom::kib(limited.memory().max),
        victim.pid,
        victim.names.lock().comm,
        oom::kib(pages),
        needy.process.pid,
    );
    oom::note_kill(victim);
    victim.cgroup().note_memory(MemoryEvent::OomKill);
    let status = WaitStatus::Signaled {
        signal: SIGKILL as u8,
        core: false,
    };
    exit::begin_exit(victim, status);
}

/// What is over its limit, as a thread keeps it until it asks for memory.
pub fn note(thread: &UserThread, over: AccountId) {
    thread.over_limit.store(over.to_u64(), Relaxed);
    thread.lacked_memory.store(true, Relaxed);
}
