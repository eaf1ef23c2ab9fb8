//! clone(2): new threads and new processes.

use super::files::FileShare;
use super::hardware::Arm;
use super::memory::Memory;
use super::namespaces::Namespaces;
use super::numbers::known_to;
use super::object::{NewProcess, Process, UserThread};
use super::program::Executable;
use super::{
    accounts, cgroup, current, keys, limits, namespaces, shared_places, spawn, trace, tree,
};
use crate::arch::trap::TrapFrame;
use crate::arch::user_access::copy_to_user;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::process::CloneFlags;
use paddock_abi::{Errno, Result};
use paddock_cgroup::{Group, Place};
use paddock_cred::Cred;
use paddock_process::Local;
use paddock_sync::try_arc;
use paddock_vfs::FsInfo;

/// The arguments of clone(2).
#[derive(Clone, Debug)]
pub struct CloneRequest {
    /// What is shared, and what is set.
    pub flags: CloneFlags,
    /// The signal at the child's end; 0 for none.
    pub exit_signal: u32,
    /// The child's stack pointer; 0 for the parent's.
    pub stack: u64,
    /// Where CLONE_PARENT_SETTID stores the new number.
    pub parent_tid: u64,
    /// Where CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID look.
    pub child_tid: u64,
    /// The child's thread pointer, with CLONE_SETTLS.
    pub tls: u64,
    /// The cgroup that it is put into, which the caller may do; else it is in its
    /// parent's.
    pub cgroup: Option<Arc<Group>>,
}

/// Threads and processes that were ever made by clone(2).
static FORKS: AtomicU64 = AtomicU64::new(1);

/// How many threads and processes there have been, process 1 included.
pub fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// What is done for a new process before it runs; an error undoes it.
pub type Announce<'a> = &'a dyn Fn(&Arc<Process>) -> Result<()>;

/// Makes a thread or process that continues as a copy of the running one.
/// Gives its number, as the running process knows it. May sleep.
///
/// # Errors
/// Those of `announce`;
/// `EINVAL` for combinations that make no sense or are not supported,
/// `EAGAIN` when there are too many, `ENOMEM`; `ERESTARTNOINTR` if a signal
/// waits, or the child would miss one to several processes.
pub fn clone(frame: &TrapFrame, request: &CloneRequest, announce: Announce<'_>) -> Result<Local> {
    let made = make(frame, request, announce)?;
    FORKS.fetch_add(1, Ordering::Relaxed);
    Ok(made)
}

fn make(frame: &TrapFrame, request: &CloneRequest, announce: Announce<'_>) -> Result<Local> {
    let parent = current().ok_or(Errno::ESRCH)?;
    check(request.flags)?;
    if request.flags.contains(CloneFlags::THREAD) {
        return new_counted_thread(parent, frame, request);
    }
    let places = places_of_child(parent, request.flags)?;
    let (pid, number) = limits::reserve(&parent.process, None, &places.namespaces.pid)?;
    new_process(parent, frame, request, (pid, number), places, announce)
        .inspect_err(|_| tree().lock().release(pid))
}

/// A child's namespaces, and where it is there.
struct Places {
    /// As it was before they were looked up.
    broadcasts: u64,
    namespaces: Arc<Namespaces>,
    paths: FsInfo,
    /// Who it is.
    cred: Arc<Cred>,
}

/// `EINVAL` for a sibling of process 1 of a namespace, and for a PID namespace in another
/// than the own one; those of [`Namespaces::unshared`].
fn places_of_child(parent: &UserThread, flags: CloneFlags) -> Result<Places> {
    let old = &parent.process;
    if flags.contains(CloneFlags::PARENT) && old.number == Local::FIRST {
        return Err(Errno::EINVAL);
    }
    let broadcasts = tree().lock().broadcasts();
    let paths = old.paths.lock().clone();
    let namespaces = old.namespaces.lock().clone();
    let own = parent.cred();
    if !flags.intersects(namespaces::KINDS) {
        return Ok(Places {
            broadcasts,
            namespaces,
            paths,
            cred: own,
        });
    }
    let new = namespaces.unshared(flags, old, &own, paths)?;
    Ok(Places {
        broadcasts,
        namespaces: new.namespaces,
        paths: new.paths,
        cred: new.cred.map_or(Ok(own), try_arc)?,
    })
}

fn new_counted_thread(
    parent: &Arc<UserThread>,
    frame: &TrapFrame,
    request: &CloneRequest,
) -> Result<Local> {
    let process = &parent.process;
    if process.namespaces.lock().pid != process.space {
        return Err(Errno::EINVAL);
    }
    process.add_task()?;
    let reserved = limits::reserve(process, Some(process.pid), &process.space);
    let made = reserved.and_then(|ids| {
        new_thread(parent, frame, request, ids).inspect_err(|_| tree().lock().release(ids.0))
    });
    made.inspect_err(|_| process.remove_task())
}

fn check(flags: CloneFlags) -> Result<()> {
    let has = |flag| flags.contains(flag);
    if has(CloneFlags::THREAD) && !has(CloneFlags::SIGHAND)
        || has(CloneFlags::SIGHAND) && !has(CloneFlags::VM)
        || has(CloneFlags::THREAD) && has(CloneFlags::VFORK)
    {
        return Err(Errno::EINVAL);
    }
    // Sharing handlers between processes is not supported, nor are threads in
    // namespaces of their own.
    let apart = flags.intersects(namespaces::KINDS);
    if has(CloneFlags::SIGHAND) && !has(CloneFlags::THREAD)
        || flags.intersects(CloneFlags::NEWNS | CloneFlags::NEWUSER) && has(CloneFlags::FS)
        || apart && has(CloneFlags::THREAD)
        || has(CloneFlags::NEWIPC) && has(CloneFlags::SYSVSEM)
    {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn child_frame(frame: &TrapFrame, request: &CloneRequest) -> TrapFrame {
    let mut child = frame.clone();
    child.x[0] = 0;
    if request.stack != 0 {
        child.sp = request.stack;
    }
    child
}

fn child_thread(
    parent: &UserThread,
    process: Arc<Process>,
    frame: &TrapFrame,
    request: &CloneRequest,
    (ids, cred): ((u32, Local), Arc<Cred>),
) -> Result<Arc<UserThread>> {
    let tls = if request.flags.contains(CloneFlags::SETTLS) {
        request.tls
    } else {
        crate::arch::cpu::user_tls()
    };
    let thread = UserThread::new(
        ids,
        process,
        cred,
        child_frame(frame, request),
        parent.current_fp(),
        tls,
    );
    // Both: what it is now is what the child goes back to.
    let slack = parent.timer_slack[0].load(Ordering::Relaxed);
    for own in &thread.timer_slack {
        own.store(slack, Ordering::Relaxed);
    }
    let ioprio = parent.ioprio.load(Ordering::Relaxed);
    thread.ioprio.store(ioprio, Ordering::Relaxed);
    let policy = parent.policy.load(Ordering::Relaxed);
    thread.policy.store(policy, Ordering::Relaxed);
    if request.flags.contains(CloneFlags::CHILD_CLEARTID) {
        thread.clear_tid.store(request.child_tid, Ordering::Relaxed);
    }
    try_arc(thread)
}

fn new_thread(
    parent: &Arc<UserThread>,
    frame: &TrapFrame,
    request: &CloneRequest,
    (tid, number): (u32, Local),
) -> Result<Local> {
    let process = &parent.process;
    let whose = ((tid, number), parent.cred());
    let thread = child_thread(parent, process.clone(), frame, request, whose)?;
    store_tid(request, number, number)?;
    {
        let mut signals = process.signals.lock();
        let mask = signals.mask(parent.tid)?;
        signals.add_thread(tid, mask)?;
        if signals.is_dying() {
            signals.remove_thread(tid);
            return Err(Errno::EAGAIN);
        }
    }
    let event = trace::event_of_clone(parent, request.flags, request.exit_signal);
    let traced = match event {
        Some(_) => trace::inherit(parent, &thread),
        None => Ok(()),
    };
    traced
        .and_then(|()| spawn::start_thread(&thread))
        .inspect_err(|_| {
            tree().lock().untrace(tid);
            process.signals.lock().remove_thread(tid);
        })?;
    if let Some(event) = event {
        trace::tell_clone(parent, frame, event, tid);
    }
    Ok(number)
}

/// Stores the child's number, as its maker knows it and as it does itself.
fn store_tid(request: &CloneRequest, known: Local, own: Local) -> Result<()> {
    if request.flags.contains(CloneFlags::PARENT_SETTID) {
        copy_to_user(request.parent_tid, &known.get().to_le_bytes())?;
    }
    if request.flags.contains(CloneFlags::CHILD_SETTID) && request.flags.contains(CloneFlags::VM) {
        copy_to_user(request.child_tid, &own.get().to_le_bytes())?;
    }
    Ok(())
}

fn new_process(
    parent: &Arc<UserThread>,
    frame: &TrapFrame,
    request: &CloneRequest,
    (pid, number): (u32, Local),
    places: Places,
    announce: Announce<'_>,
) -> Result<Local> {
    let old = &parent.process;
    let flags = request.flags;
    let broadcasts = places.broadcasts;
    // One that was over by then has told the parent already, maybe since this
    // call was entered: it is heard before there is a child.
    if parent.signal_pending() {
        return Err(Errno::ERESTARTNOINTR);
    }
    let place = cgroup::place_for(old, request.cgroup.as_ref())?;
    let known = known_to(&old.space, pid);
    store_tid(request, known, number)?;
    let whose = ((pid, number), places.cred.clone());
    let child = child_process(parent, request, (pid, number), places, place)?;
    let thread = child_thread(parent, child.clone(), frame, request, whose)?;
    {
        let mut tree = tree().lock();
        if tree.misses_broadcast(broadcasts) {
            return Err(Errno::ERESTARTNOINTR);
        }
        // Looked up under the same lock: the parent may end at any time.
        // Whose child it becomes has not chosen the signal: it is the one it awaits.
        let (family, exit_signal) = match flags.contains(CloneFlags::PARENT) {
            true => (tree.parent(old.pid)?.max(1), tree.exit_signal(old.pid)?),
            false => (old.pid, request.exit_signal),
        };
        cgroup::enter(&child, Some(old), request.cgroup.is_some())?;
        tree.add(pid, Some(family), child.clone(), exit_signal)
    }
    .inspect_err(|_| cgroup::leave(&child).tell())?;
    child.cgroup().tell();
    let event = trace::event_of_clone(parent, flags, request.exit_signal);
    let trace = || match event {
        Some(_) => trace::inherit(parent, &thread),
        None => Ok(()),
    };
    announce(&child)
        .and_then(|()| trace())
        .and_then(|()| keys::forked(old, &child))
        .and_then(|()| spawn::start_thread(&thread))
        .inspect_err(|_| {
            keys::ended(&child);
            tree().lock().untrace(pid);
            spawn::abandon(pid);
        })?;
    if let Some(event) = event {
        trace::tell_clone(parent, frame, event, pid);
    }
    if flags.contains(CloneFlags::VFORK) {
        wait_for_release(parent, &child);
        trace::tell_vfork_done(parent, frame, pid);
    }
    Ok(known)
}

/// The child with what it has of its parent, in no family yet and without threads.
fn child_process(
    parent: &UserThread,
    request: &CloneRequest,
    (pid, number): (u32, Local),
    places: Places,
    place: Place,
) -> Result<Arc<Process>> {
    let old = &parent.process;
    let flags = request.flags;
    let memory = child_memory(old, flags, request, number)?;
    let account = accounts::of_new_process(old.uid()?)?;
    let files = if flags.contains(CloneFlags::FILES) {
        old.files.another()
    } else {
        let files = old.files();
        let copy = files.lock().fork(&account)?;
        FileShare::new(copy)?
    };
    let keep_stack = !flags.contains(CloneFlags::VM) || flags.contains(CloneFlags::VFORK);
    let mut signals = old.signals.lock().fork(parent.tid, pid, keep_stack)?;
    if flags.contains(CloneFlags::CLEAR_SIGHAND) {
        signals.forget_handlers();
    }
    let Places {
        namespaces,
        paths,
        cred,
        ..
    } = places;
    let space = namespaces.pid.clone();
    if number == Local::FIRST && !space.is_initial() {
        signals.protect();
    }
    let limits = *old.limits.lock();
    let names = old.names.lock().try_clone()?;
    let child = try_arc(Process::new(NewProcess {
        pid,
        number,
        space,
        memory,
        files,
        paths,
        namespaces,
        cred,
        signals,
        limits,
        names,
        place,
        account,
        // What process 1 starts is a service.
        is_operators: old.is_operators() && old.pid != spawn::FIRST,
        is_login: old.is_login,
        personality: old.personality.load(Ordering::Relaxed),
        oom_score_adj: old.oom_score_adj.load(Ordering::Relaxed),
        login_user: old.login_user.load(Ordering::Relaxed),
    }))?;
    let runs_first = old.runs_first.load(Ordering::Relaxed);
    child.runs_first.store(runs_first, Ordering::Relaxed);
    let executable = old.executable.lock();
    let copy = executable.as_ref().map(Executable::try_clone).transpose();
    drop(executable);
    *child.executable.lock() = copy?;
    if flags.contains(CloneFlags::FS) {
        shared_places::join(old, &child)?;
    }
    child
        .trampoline
        .store(old.trampoline.load(Ordering::Relaxed), Ordering::Relaxed);
    child
        .start_stack
        .store(old.start_stack.load(Ordering::Relaxed), Ordering::Relaxed);
    Ok(child)
}

/// vfork(2): until the child has memory of its own, or has ended. May sleep.
fn wait_for_release(parent: &UserThread, child: &Process) {
    // A parent that is to die does not wait for its child.
    cgroup::stand_while(parent, || {
        child.changed.wait_until(|| {
            let released = child.released_parent.load(Ordering::Acquire);
            (released || parent.is_doomed()).then_some(())
        });
    });
}

fn child_memory(
    old: &Process,
    flags: CloneFlags,
    request: &CloneRequest,
    number: Local,
) -> Result<Arc<Memory>> {
    let memory = old.memory()?;
    if flags.contains(CloneFlags::VM) {
        return Ok(memory);
    }
    let mut copy = {
        let mut space = memory.space.lock();
        space.fork()?
    };
    if flags.contains(CloneFlags::CHILD_SETTID) {
        // A word that is not there is no error, as on Linux.
        let _ = write_tid(&mut copy, request.child_tid, number);
    }
    let copy = Memory::new(copy, memory.user_namespace.clone())?;
    let dumpable = memory.dumpable.load(Ordering::Relaxed);
    copy.dumpable.store(dumpable, Ordering::Relaxed);
    copy.inherit(&memory);
    Ok(copy)
}

fn write_tid(space: &mut paddock_mem::AddressSpace<Arm>, address: u64, own: Local) -> Result<()> {
    space
        .write_bytes(address, &own.get().to_le_bytes())
        .map_err(Errno::from)
}
