//! Signals: rt_sigaction(2), rt_sigprocmask(2), kill(2), sigaltstack(2),
//! rt_sigsuspend(2), rt_sigtimedwait(2).

use super::Call;
use crate::process::{self, Process, Targets, tree};
use crate::time;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use paddock_abi::signal::*;
use paddock_abi::time::Timespec;
use paddock_abi::{Errno, Result};
use paddock_cred::{IdKind, OVERFLOW_ID};
use paddock_process::Local;
use paddock_process::signal::{SignalSet, is_signal};
use paddock_sync::{NO_DEADLINE, WaitError, WaitQueue};

/// Bytes of the kernel's `sigset_t`.
const SET_SIZE: u64 = 8;

/// `EINVAL` unless a set of signals is so long.
pub fn check_size(size: u64) -> Result<()> {
    if size == SET_SIZE {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// rt_sigreturn(2): the result is the x0 that the handler interrupted.
pub fn rt_sigreturn(call: &mut Call<'_>) -> Result<u64> {
    // What the handler interrupted may still go on.
    call.keep_resumed();
    process::sigreturn(call.frame);
    Ok(call.frame.x[0])
}

/// rt_sigaction(2).
pub fn rt_sigaction(call: &mut Call<'_>) -> Result<u64> {
    check_size(call.word(3))?;
    let signal = call.uint(0);
    let new = match call.pointer::<Sigaction>(1).non_null() {
        Some(new) => Some(new.read()?),
        None => None,
    };
    let old = {
        let mut signals = call.process().signals.lock();
        let old = signals.action(signal)?;
        if let Some(new) = new {
            signals.set_action(signal, new)?;
        }
        old
    };
    if let Some(place) = call.pointer::<Sigaction>(2).non_null() {
        place.write(&old)?;
    }
    Ok(0)
}

/// rt_sigprocmask(2).
pub fn rt_sigprocmask(call: &mut Call<'_>) -> Result<u64> {
    check_size(call.word(3))?;
    let set = match call.pointer::<u64>(1).non_null() {
        Some(set) => Some(SignalSet(set.read()?)),
        None => None,
    };
    let tid = call.thread.tid;
    let old = {
        let mut signals = call.process().signals.lock();
        match set {
            Some(set) => signals.change_mask(tid, call.uint(0), set)?,
            None => signals.mask(tid)?,
        }
    };
    // What was blocked may be due now.
    call.thread.notify_self();
    if let Some(place) = call.pointer::<u64>(2).non_null() {
        place.write(&old.0)?;
    }
    Ok(0)
}

/// rt_sigpending(2).
pub fn rt_sigpending(call: &mut Call<'_>) -> Result<u64> {
    check_size(call.word(1))?;
    let tid = call.thread.tid;
    let blocked = {
        let signals = call.process().signals.lock();
        signals.pending(tid)?.intersection(signals.mask(tid)?)
    };
    call.pointer::<u64>(0).write(&blocked.0)?;
    Ok(0)
}

/// rt_sigsuspend(2).
pub fn rt_sigsuspend(call: &mut Call<'_>) -> Result<u64> {
    check_size(call.word(1))?;
    let mask = SignalSet(call.pointer::<u64>(0).read()?);
    call.process()
        .signals
        .lock()
        .suspend_mask(call.thread.tid, mask)?;
    // What the old mask blocked may be due under this one.
    call.thread.notify_self();
    let nobody = WaitQueue::new();
    let _ = nobody.wait_interruptible(NO_DEADLINE, || None::<()>);
    Err(Errno::ERESTARTNOHAND)
}

/// rt_sigtimedwait(2).
pub fn rt_sigtimedwait(call: &mut Call<'_>) -> Result<u64> {
    check_size(call.word(3))?;
    let wanted = SignalSet(call.pointer::<u64>(0).read()?);
    let deadline = match call.pointer::<Timespec>(2).non_null() {
        Some(timeout) => time::now().saturating_add(timeout.read()?.to_nanos()?),
        None => NO_DEADLINE,
    };
    let (process, tid) = (call.process(), call.thread.tid);
    let queue = WaitQueue::new();
    let taken = queue.wait_interruptible(deadline, || {
        process.signals.lock().await_signal(tid, wanted)
    });
    process.signals.lock().stop_awaiting(tid);
    let info = taken.map_err(|error| match error {
        WaitError::Interrupted => Errno::EINTR,
        WaitError::TimedOut => Errno::EAGAIN,
    })?;
    process.note_taken(&info);
    if let Some(place) = call.pointer::<Siginfo>(1).non_null() {
        place.write(&info)?;
    }
    Ok(u64::from(info.signal()))
}

/// sigaltstack(2).
pub fn sigaltstack(call: &mut Call<'_>) -> Result<u64> {
    let new = match call.pointer::<StackT>(0).non_null() {
        Some(new) => Some(new.read()?),
        None => None,
    };
    let (tid, sp) = (call.thread.tid, call.frame.sp);
    let old = {
        let mut signals = call.process().signals.lock();
        let mut old = signals.alt_stack(tid)?;
        if old.ss_flags & SS_DISABLE == 0
            && sp.wrapping_sub(old.ss_sp).wrapping_sub(1) < old.ss_size
        {
            old.ss_flags |= SS_ONSTACK;
        }
        if let Some(new) = new {
            signals.set_alt_stack(tid, new, sp)?;
        }
        old
    };
    if let Some(place) = call.pointer::<StackT>(1).non_null() {
        place.write(&old)?;
    }
    Ok(0)
}

fn sender(call: &Call<'_>, signal: u32, code: i32) -> Siginfo {
    let uid = call
        .thread
        .with_cred(|cred| cred.user_namespace.shown_uid(cred.uid.real));
    let number = call.process().number.get();
    Siginfo::from_process(signal, code, number as i32, uid)
}

fn check_signal(signal: u32) -> Result<()> {
    if signal == 0 || is_signal(signal) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// Sends a signal, or for signal zero only asks whether one could. `EPERM`
/// to a process of another user.
fn send(call: &Call<'_>, target: &Process, info: &Siginfo, tid: Option<u32>) -> Result<()> {
    if !may_signal(call, target, info.signal()) {
        return Err(Errno::EPERM);
    }
    if info.signal() == 0 {
        return Ok(());
    }
    let is_known = call.process().space.is_within(&target.space);
    let mut info = *info;
    if info.tells_sender() {
        tell_user(call, target, &mut info);
        // One that the receiver does not know.
        if !is_known {
            info.set_sender(0);
        }
    }
    process::send_from_process(target, &info, tid, !is_known)
}

/// The user that a signal's sender says, as the receiver's user namespace knows it.
fn tell_user(call: &Call<'_>, target: &Process, info: &mut Siginfo) {
    let theirs = target.cred();
    call.thread.with_cred(|own| {
        let (own, theirs) = (&own.user_namespace, &theirs.user_namespace);
        if own != theirs {
            let uid = own.given(IdKind::User, info.sender_user());
            let uid = uid.map_or(OVERFLOW_ID, |uid| theirs.shown_uid(uid));
            info.set_sender_user(uid);
        }
    });
}

/// kill(2): the own threads, by right, or SIGCONT in the own session.
fn may_signal(call: &Call<'_>, target: &Process, signal: u32) -> bool {
    if core::ptr::eq(&**call.process(), target) {
        return true;
    }
    let theirs = target.cred();
    call.thread.with_cred(|own| own.may_signal(&theirs))
        || signal == SIGCONT && {
            let tree = tree().lock();
            tree.session(target.pid)
                .is_ok_and(|session| tree.session(call.process().pid) == Ok(session))
        }
}

fn find(call: &Call<'_>, number: u32) -> Result<Arc<Process>> {
    let pid = call.find_number(number).ok_or(Errno::ESRCH)?;
    tree().lock().get(pid).ok_or(Errno::ESRCH)
}

/// kill(2).
pub fn kill(call: &mut Call<'_>) -> Result<u64> {
    let signal = call.uint(1);
    check_signal(signal)?;
    let info = sender(call, signal, SI_USER);
    match call.int(0) {
        pid if pid > 0 => send(call, &*find(call, pid as u32)?, &info, None).map(|()| 0),
        -1 => send_to_all(call, &info),
        0 => {
            let group = tree().lock().group(call.process().pid)?;
            send_to_group(call, group, &info)
        }
        group => {
            let group = call.find_number(group.unsigned_abs());
            send_to_group(call, group.ok_or(Errno::ESRCH)?, &info)
        }
    }
}

/// Success if one could be sent to; `ESRCH` if there was nobody. Whom process 1 or a
/// login of root's ends so does that before others run, however many there are.
fn send_to_each(call: &Call<'_>, targets: &[Arc<Process>], info: &Siginfo) -> Result<u64> {
    let mut outcome = Err(Errno::ESRCH);
    for target in targets {
        let sent = send(call, target, info, None);
        if sent.is_ok() && call.process().is_operators() {
            target.hasten_for(info.signal());
        }
        if outcome.is_err() {
            outcome = sent.map(|()| 0);
        }
    }
    outcome
}

fn send_to_group(call: &Call<'_>, group: u32, info: &Siginfo) -> Result<u64> {
    let (members, found) = Targets::of_group(group)?;
    match members.processes().is_empty() && found {
        // Zombies alone: they are there, and nothing can be done to them.
        true => Ok(0),
        false => send_to_each(call, members.processes(), info),
    }
}

/// To everyone in the caller's PID namespace but process 1 and the caller.
fn send_to_all(call: &Call<'_>, info: &Siginfo) -> Result<u64> {
    let own = call.process().pid;
    let space = &call.process().space;
    let (targets, ()) = Targets::find(|tree, add| {
        tree.for_each_in_space(space, |pid, process| {
            let is_first = process.number == Local::FIRST && process.space == *space;
            if !is_first && pid != own {
                add(process);
            }
        });
    })?;
    send_to_each(call, targets.processes(), info)
}

/// tkill(2).
pub fn tkill(call: &mut Call<'_>) -> Result<u64> {
    to_thread(call, None, call.int(0), call.uint(1))
}

/// tgkill(2).
pub fn tgkill(call: &mut Call<'_>) -> Result<u64> {
    let group = u32::try_from(call.int(0))
        .ok()
        .filter(|&pid| pid > 0)
        .ok_or(Errno::EINVAL)?;
    to_thread(call, Some(group), call.int(1), call.uint(2))
}

fn to_thread(call: &Call<'_>, group: Option<u32>, tid: i32, signal: u32) -> Result<u64> {
    check_signal(signal)?;
    let tid = u32::try_from(tid)
        .ok()
        .filter(|&tid| tid > 0)
        .ok_or(Errno::EINVAL)?;
    let tid = call.find_number(tid).ok_or(Errno::ESRCH)?;
    let target = tree().lock().process_of(tid).ok_or(Errno::ESRCH)?;
    if group.is_some_and(|group| call.find_number(group) != Some(target.pid)) {
        return Err(Errno::ESRCH);
    }
    send(call, &target, &sender(call, signal, SI_TKILL), Some(tid))?;
    Ok(0)
}

/// The siginfo that a program gives for another: it cannot pretend to come
/// from the kernel or from kill(2).
fn given_info(
    call: &Call<'_>,
    target: Option<u32>,
    signal: u32,
    place: UserPtr<Siginfo>,
) -> Result<Siginfo> {
    let mut info = place.read()?;
    info.si_signo = signal as i32;
    let forged = info.si_code >= 0 || info.si_code == SI_TKILL;
    if forged && target != Some(call.process().pid) {
        return Err(Errno::EPERM);
    }
    Ok(info)
}

/// rt_sigqueueinfo(2).
pub fn rt_sigqueueinfo(call: &mut Call<'_>) -> Result<u64> {
    let (pid, signal) = (call.uint(0), call.uint(1));
    check_signal(signal)?;
    let info = given_info(call, call.find_number(pid), signal, call.pointer(2))?;
    send(call, &*find(call, pid)?, &info, None)?;
    Ok(0)
}

/// A signal for a process that is known otherwise than by its number; `place` is
/// of a siginfo, or null for one as of kill(2). `EINVAL`, `EPERM`.
pub fn send_to(
    call: &Call<'_>,
    target: &Process,
    signal: u32,
    place: UserPtr<Siginfo>,
) -> Result<u64> {
    check_signal(signal)?;
    let info = match place.non_null() {
        None => sender(call, signal, SI_USER),
        Some(place) if place.read()?.si_signo != signal as i32 => return Err(Errno::EINVAL),
        Some(place) => given_info(call, Some(target.pid), signal, place)?,
    };
    send(call, target, &info, None)?;
    Ok(0)
}

/// rt_tgsigqueueinfo(2).
pub fn rt_tgsigqueueinfo(call: &mut Call<'_>) -> Result<u64> {
    let (pid, tid, signal) = (call.uint(0), call.uint(1), call.uint(2));
    if call.int(0) <= 0 || call.int(1) <= 0 {
        return Err(Errno::EINVAL);
    }
    check_signal(signal)?;
    let info = given_info(call, call.find_number(pid), signal, call.pointer(3))?;
    let target = find(call, pid)?;
    send(
        call,
        &target,
        &info,
        Some(call.find_number(tid).ok_or(Errno::ESRCH)?),
    )?;
    Ok(0)
}
