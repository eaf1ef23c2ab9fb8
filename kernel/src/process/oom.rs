//! Running out of memory: what is cached goes first, then one process, chosen
//! as on Linux, and said so once.
//!
//! Everything here is done by a thread that needs memory and holds no lock: at
//! the beginning of a system call, after one that had none, and after a fault.

use super::object::{Process, UserThread};
use super::reclaim;
use super::{exit, oom_group, tree};
use crate::arch::context::STACK_SIZE;
use crate::memory::{frames, heap};
use crate::time;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use paddock_abi::signal::SIGKILL;
use paddock_cgroup::MemoryEvent;
use paddock_frames::AccountId;
use paddock_process::WaitStatus;
use paddock_process::oom::{Candidate, choose};
use paddock_sync::{Mutex, Rank, WaitQueue, might_sleep};
use paddock_vfs::PAGE_SIZE;

/// Frames that the thread should have before it goes on.
const WANTED: usize = 16;
/// How long one waits for a process that was killed to give its memory back.
pub(super) const PATIENCE_NS: u64 = 2_000_000_000;
/// Processes that a report lists.
const LISTED: usize = 8;

/// The one who chooses a process. Nobody waits for it: there may be thousands
/// without memory, and what they need is what comes of the choice.
static CHOOSING: Mutex<()> = Mutex::new(Rank::OutOfMemory, ());
/// The process that was killed last for its memory and still has it; 0 if
/// there is none.
static VICTIM: AtomicU32 = AtomicU32::new(0);
/// Where threads wait for the victim's end.
pub(super) static RELEASED: WaitQueue = WaitQueue::new();
/// How many victims have given their memory back, and how many choices found
/// nobody.
static OVER: AtomicU64 = AtomicU64::new(0);
/// That there is nobody left to kill has been said.
static HOPELESS: AtomicBool = AtomicBool::new(false);

/// Processes that were killed for their memory.
static KILLS: AtomicU64 = AtomicU64::new(0);

/// How many processes were killed for their memory. Any context.
pub fn kills() -> u64 {
    KILLS.load(Relaxed)
}

/// Counts a process that is killed for its cgroup's memory.
pub(super) fn note_kill(victim: &Process) {
    victim.killed_for_memory.store(true, Relaxed);
    KILLS.fetch_add(1, Relaxed);
}

/// How often whoever waits at [`RELEASED`] was to look again.
pub(super) fn releases() -> u64 {
    OVER.load(Relaxed)
}

/// Called when a process has given its memory back.
pub fn on_release(process: &Process) {
    if process.killed_for_memory.load(Relaxed) {
        wake_waiting();
    }
    if VICTIM
        .compare_exchange(process.pid, 0, Relaxed, Relaxed)
        .is_ok()
    {
        wake_waiting();
    }
}

/// Lets those that wait for memory look again.
fn wake_waiting() {
    OVER.fetch_add(1, Relaxed);
    RELEASED.wake_all();
}

/// Before a system call while memory is low: frees what is cached, and if
/// even a reserve has been touched, kills. Sleeps; no lock may be held.
#[cold]
pub fn before_call(thread: &Arc<UserThread>) {
    if thread.is_ending() || frames::left_for_thread() >= WANTED || reclaim() {
        return;
    }
    if frames::missing_for_thread() > 0 {
        relieve(thread);
    }
}

/// After a fault or system call that found no memory: whether it may find
/// some now. Sleeps; no lock may be held.
#[cold]
pub fn relieve(thread: &Arc<UserThread>) -> bool {
    might_sleep();
    if thread.is_ending() {
        return false;
    }
    match AccountId::from_u64(thread.over_limit.swap(0, Relaxed)) {
        AccountId::NOBODY => relieve_machine(thread),
        over => oom_group::relieve(thread, over),
    }
}

/// The same, where the machine has none.
fn relieve_machine(thread: &Arc<UserThread>) -> bool {
    if reclaim() {
        return true;
    }
    let over = OVER.load(Relaxed);
    if let Some(_chooses) = CHOOSING.try_lock() {
        if frames::left_for_thread() >= WANTED {
            return true;
        }
        if VICTIM.load(Relaxed) == 0 && !kill_one(thread) {
            wake_waiting();
            return false;
        }
    }
    await_release(thread, over);
    true
}

/// Waits until there is memory, a victim has given back its own since `over`
/// was read of [`OVER`], or the victim has had its time.
fn await_release(thread: &UserThread, over: u64) {
    let victim = VICTIM.load(Relaxed);
    let deadline = time::now() + PATIENCE_NS;
    let released = RELEASED.wait_deadline(deadline, || {
        let over = OVER.load(Relaxed) != over || thread.is_ending();
        (over || frames::left_for_thread() >= WANTED).then_some(())
    });
    if released.is_err() {
        // One that does not end in time no longer stands in another's way.
        let _ = VICTIM.compare_exchange(victim, 0, Relaxed, Relaxed);
    }
}

/// Takes back what is only kept to be quicker: clean pages of files, names
/// and metadata, empty slabs. Whether there is enough now. Sleeps.
fn reclaim() -> bool {
    let enough = || frames::left_for_thread() >= WANTED;
    while reclaim::take_pages() {
        if enough() {
            return true;
        }
    }
    heap::shrink();
    if enough() {
        return true;
    }
    // Names keep inodes, and those keep pages.
    while reclaim::drop_some_names() {
        heap::shrink();
        if enough() {
            return true;
        }
    }
    reclaim::drop_names();
    while !enough() && reclaim::take_pages() {}
    heap::shrink();
    enough()
}

/// What counts of a process.
pub fn candidate(process: &Process) -> Candidate {
    let pages = process.memory().map_or(0, |memory| {
        let counters = memory.counters();
        counters.resident() + counters.mapped / 512
    });
    let owed = process.account.lock().bytes() / PAGE_SIZE;
    let threads = process.threads.lock().len();
    let kernel = owed + threads * STACK_SIZE / PAGE_SIZE;
    let has_ended = process.threads.lock().is_empty() || process.signals.lock().is_dying();
    Candidate {
        pid: process.pid,
        pages: pages + kernel as u64,
        adjustment: process.oom_score_adj.load(Relaxed),
        exempt: process.pid == super::spawn::FIRST || has_ended,
        is_operators: process.is_operators(),
    }
}

/// Frames of the machine, which adjustments are a share of.
pub fn total_pages() -> u64 {
    frames::total() as u64
}

/// Chooses a process and kills it; whether there was one. Sleeps. Needs no
/// memory: there is none.
fn kill_one(needy: &Arc<UserThread>) -> bool {
    let total = total_pages();
    let mut worst = Worst::new();
    let mut chosen: Option<Candidate> = None;
    let mut pid = 0;
    while let Some(process) = next_after(&mut pid) {
        let found = candidate(&process);
        worst.note(&process, &found, total);
        chosen = choose(chosen.into_iter().chain([found]), total);
    }
    let victim = chosen.and_then(|found| Some((tree().lock().get(found.pid)?, found)));
    let Some((victim, found)) = victim else {
        if !HOPELESS.swap(true, Relaxed) {
            say_hopeless(needy);
        }
        return false;
    };
    HOPELESS.store(false, Relaxed);
    report(needy, &victim, &found, &worst);
    VICTIM.store(victim.pid, Relaxed);
    KILLS.fetch_add(1, Relaxed);
    let group = victim.cgroup();
    group.note_memory(MemoryEvent::OomKill);
    group.tell();
    let status = WaitStatus::Signaled {
        signal: SIGKILL as u8,
        core: false,
    };
    exit::begin_exit(&victim, status);
    true
}

/// The processes that take the most, for the report.
struct Worst {
    listed: [Option<(i64, Arc<Process>, Candidate)>; LISTED],
    /// How many there are in all.
    count: usize,
}

impl Worst {
    fn new() -> Worst {
        Worst {
            listed: [const { None }; LISTED],
            count: 0,
        }
    }

    /// Takes the process in, in the place of one that takes less.
    fn note(&mut self, process: &Arc<Process>, found: &Candidate, total: u64) {
        self.count += 1;
        let badness = found.badness(total).unwrap_or(i64::MIN);
        let is_less = |other: &Option<(i64, Arc<Process>, Candidate)>| {
            other.as_ref().is_none_or(|(other, ..)| *other < badness)
        };
        if let Some(place) = self.listed.iter().position(is_less) {
            self.listed[place..].rotate_right(1);
            self.listed[place] = Some((badness, process.clone(), *found));
        }
    }
}

/// The process with the next higher number.
fn next_after(pid: &mut u32) -> Option<Arc<Process>> {
    let tree = tree().lock();
    *pid = tree.next_pid(*pid + 1)?;
    tree.get(*pid)
}

pub(super) const fn kib(pages: u64) -> u64 {
    pages * (PAGE_SIZE as u64 / 1024)
}

fn report(needy: &UserThread, victim: &Process, found: &Candidate, worst: &Worst) {
    let (total, free, _) = frames::counts();
    let uid = uid_of(victim);
    log::error!(
        "out of memory: killed process {} ({}), uid {uid}, {} kB; process {} needed memory, {} of {} kB are free",
        victim.pid,
        victim.names.lock().comm,
        kib(found.pages),
        needy.process.pid,
        kib(free as u64),
        kib(total as u64),
    );
    log::info!("out of memory:   pid   uid       kB   adj name");
    for (_, process, found) in worst.listed.iter().flatten() {
        let uid = uid_of(process);
        log::info!(
            "out of memory: {:>5} {uid:>5} {:>8} {:>5} {}",
            process.pid,
            kib(found.pages),
            found.adjustment,
            process.names.lock().comm,
        );
    }
    if worst.count > LISTED {
        log::info!("out of memory: and {} smaller ones", worst.count - LISTED);
    }
}

fn uid_of(process: &Process) -> u32 {
    tree().lock().uid(process.pid).unwrap_or(0)
}

fn say_hopeless(needy: &UserThread) {
    let total = frames::total();
    log::error!(
        "out of memory: process {} ({}) needs more, nothing is left to be killed, and {} kB are all there is; give the machine more memory",
        needy.process.pid,
        needy.process.names.lock().comm,
        kib(total as u64),
    );
}
