//! Signals: sending them, and what a thread does about them on its way back
//! to user mode.

use super::numbers::known_to;
use super::object::{Interrupted, Process, UserThread};
use super::{cgroup, cpu_clock, current, exit, trace, tree};
use crate::arch::context::FpState;
use crate::arch::trap::TrapFrame;
use crate::arch::user_access::{copy_from_user, copy_to_user};
use crate::thread;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_abi::signal::*;
use paddock_abi::time::{CLOCK_TICKS, NANOS};
use paddock_abi::{Errno, Result};
use paddock_process::Local;
use paddock_process::signal::{self, Delivery, FrameRequest, Registers, Sent, SignalSet};
use paddock_process::{Tree, WaitStatus};
use paddock_sync::{Ready, WaitQueue};
use zerocopy::{FromZeros, IntoBytes};

/// The units (ns) of si_utime and si_stime.
const TICK_NS: u64 = NANOS / CLOCK_TICKS;
/// Size of an A64 instruction: an SVC is done again by going back one.
const INSTRUCTION: u64 = 4;

/// Where those wait who read signals from descriptors (signalfd(2)).
pub static SIGNALS_CAME: WaitQueue = WaitQueue::new();

/// Sends a signal to a process. Any context but an interrupt.
///
/// # Errors
/// `EINVAL`, `EAGAIN` when too many are queued.
pub fn send_to_process(process: &Process, info: &Siginfo) -> Result<()> {
    deliver(process, info, None, info.si_code == SI_KERNEL)
}

/// Sends a signal to one thread of a process.
///
/// # Errors
/// `ESRCH`, `EINVAL`, `EAGAIN`.
pub fn send_to_thread(process: &Process, tid: u32, info: &Siginfo) -> Result<()> {
    deliver(process, info, Some(tid), info.si_code == SI_KERNEL)
}

/// Sends a process's signal to a process, or one of its threads; `outside` tells whether
/// it comes from outside of that one's PID namespace.
///
/// # Errors
/// `ESRCH`, `EINVAL`, `EAGAIN`.
pub fn send_from_process(
    process: &Process,
    info: &Siginfo,
    tid: Option<u32>,
    outside: bool,
) -> Result<()> {
    deliver(process, info, tid, outside)
}

/// Processes that are to get one signal. While this lives, nobody forks past
/// it: a child is either among them, or its fork begins anew.
pub struct Targets(Vec<Arc<Process>>);

impl Targets {
    /// Those that `find` gives to its second argument, under the tree's lock;
    /// and `find`'s own result.
    ///
    /// # Errors
    /// `ENOMEM`: then nobody is to get the signal.
    pub fn find<T>(
        find: impl FnOnce(&Tree<Process>, &mut dyn FnMut(&Arc<Process>)) -> T,
    ) -> Result<(Targets, T)> {
        let mut found = Vec::new();
        let mut tree = tree().lock();
        found.try_reserve(tree.len()).map_err(|_| Errno::ENOMEM)?;
        tree.begin_broadcast();
        let result = find(&tree, &mut |process| found.push(process.clone()));
        Ok((Targets(found), result))
    }

    /// The members of a group; and whether there is such a group.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn of_group(group: u32) -> Result<(Targets, bool)> {
        Targets::find(|tree, add| tree.for_each_in_group(group, add))
    }

    /// Them.
    pub fn processes(&self) -> &[Arc<Process>] {
        &self.0
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        tree().lock().end_broadcast();
    }
}

/// Sends a signal of the kernel's own to every process of a group; whether
/// there was one.
pub fn send_to_group(group: u32, info: &Siginfo) -> bool {
    match Targets::of_group(group) {
        Ok((members, found)) => {
            for process in members.processes() {
                let _ = send_to_process(process, info);
            }
            found
        }
        Err(error) => {
            let signal = info.signal();
            log::warn!("signal {signal} does not reach process group {group}: {error}");
            true
        }
    }
}

fn deliver(process: &Process, info: &Siginfo, tid: Option<u32>, outside: bool) -> Result<()> {
    let signal = info.signal();
    let sent = match signal {
        SIGCONT | SIGKILL => send_and_resume(process, info, tid, outside),
        _ => process.signals.lock().send_from(info, tid, outside),
    }?;
    if let Sent::Wake(tid) = sent {
        process.wake_thread(tid);
    }
    if signal == SIGKILL {
        process.wake_threads();
    }
    SIGNALS_CAME.wake(Ready::IN);
    Ok(())
}

/// Sends a signal that ends a stop, and one that a thread is about to make:
/// both under the locks with which [`stop`] makes it.
fn send_and_resume(
    process: &Process,
    info: &Siginfo,
    tid: Option<u32>,
    outside: bool,
) -> Result<Sent> {
    let mut tree = tree().lock();
    let mut signals = process.signals.lock();
    let sent = signals.send_from(info, tid, outside);
    let was_stopped = core::mem::replace(&mut process.stop.lock().stopped, false);
    drop(signals);
    let parent = match was_stopped {
        true => tree.set_continued(process.pid),
        false => Ok(None),
    };
    drop(tree);
    if was_stopped {
        process.changed.wake_all();
    }
    if let Ok(Some(parent)) = parent {
        tell_parent(&parent, process, WaitStatus::Continued);
    }
    sent
}

/// `SIGKILL`, from the kernel itself.
pub fn kill(process: &Process) {
    let _ = send_to_process(process, &Siginfo::kernel(SIGKILL));
}

/// The running thread's own instruction has led to a signal, which cannot be
/// ignored or blocked.
pub fn fault(frame: &TrapFrame, signal: u32, code: i32, address: u64) {
    let Some(thread) = current() else {
        return;
    };
    let mut info = Siginfo::kernel(signal);
    info.si_code = code;
    info.fields[0] = address;
    log::debug!(
        "process {}: signal {signal} at {:#x}, address {address:#x}, syndrome {:#x}",
        thread.process.pid,
        frame.pc,
        frame.esr
    );
    force(thread, &info);
}

/// The running thread, which this is, gets a signal that cannot be ignored or blocked.
pub fn force(thread: &UserThread, info: &Siginfo) {
    let forced = thread.process.signals.lock().force(info, thread.tid);
    if forced.is_err() {
        kill(&thread.process);
    }
    thread.notify();
}

/// Tells a parent of a child's news.
pub fn tell_parent(parent: &Arc<Process>, child: &Process, status: WaitStatus) {
    let hears = status.is_end() || parent.signals.lock().hears_stops();
    if hears {
        let _ = send_to_process(
            parent,
            &child_info(
                parent,
                SIGCHLD,
                child,
                known_to(&parent.space, child.pid),
                status,
            ),
        );
    }
    parent.children.wake_all();
}

/// What SIGCHLD (or another exit signal) says of a child to `receiver`, who knows it by a
/// number.
pub fn child_info(
    receiver: &Process,
    signal: u32,
    child: &Process,
    number: Local,
    status: WaitStatus,
) -> Siginfo {
    let (code, value) = status.to_siginfo();
    let used = child.cpu_times();
    let times = (used.user / TICK_NS, used.system / TICK_NS);
    let uid = child.cred().uid.real;
    let uid = receiver.cred().user_namespace.shown_uid(uid);
    let mut info = Siginfo::child(code, number.get() as i32, uid, value, times);
    info.si_signo = signal as i32;
    info
}

/// All that is to be done before going back to user mode. May not return.
#[cold]
pub fn before_return(frame: &mut TrapFrame) {
    let Some(thread) = current() else {
        return;
    };
    while thread::current().take_work() {
        cpu_clock::look(thread);
        if thread.leaving.load(Ordering::Acquire) {
            trace::tell_end(thread, frame);
            exit::exit_thread();
        }
        trace::before_signals(thread, frame);
        let next = {
            let mut signals = thread.process.signals.lock();
            if signals.is_dying() {
                drop(signals);
                trace::tell_end(thread, frame);
                exit::exit_thread();
            }
            match thread.is_traced() {
                false => signals.next(thread.tid),
                true => {
                    drop(signals);
                    trace::next_delivery(thread, frame)
                }
            }
        };
        match next {
            Some(delivery) => act(thread, frame, delivery),
            None => settle_mask(thread),
        }
        wait_while_stopped(thread, frame);
    }
    restart(thread, frame, None);
}

/// Ends a temporary mask, and hands on what this thread was woken for and has
/// blocked since.
fn settle_mask(thread: &UserThread) {
    let process = &thread.process;
    let mut signals = process.signals.lock();
    signals.restore_mask(thread.tid);
    let receiver = signals.other_receiver(thread.tid);
    drop(signals);
    if let Some(receiver) = receiver {
        process.wake_thread(receiver);
    }
}

fn act(thread: &Arc<UserThread>, frame: &mut TrapFrame, delivery: Delivery) {
    // There may be more behind this one.
    thread.notify_self();
    match delivery {
        Delivery::Terminate { signal, core } => {
            let status = WaitStatus::Signaled {
                signal: signal as u8,
                core,
            };
            exit::begin_exit(&thread.process, status);
        }
        Delivery::Stop(signal) => stop(thread, signal),
        Delivery::Handler {
            action,
            info,
            old_mask,
        } => {
            thread.process.note_taken(&info);
            restart(thread, frame, Some(&action));
            if call_handler(thread, frame, &action, &info, old_mask).is_err() {
                let _ = thread
                    .process
                    .signals
                    .lock()
                    .force(&Siginfo::kernel(SIGSEGV), thread.tid);
            }
        }
    }
}

/// Decides what becomes of an interrupted system call: with a handler about
/// to run, only `SA_RESTART` lets it be done again.
fn restart(thread: &UserThread, frame: &mut TrapFrame, action: Option<&Sigaction>) {
    let Some(Interrupted { x0, how }) = thread.interrupted.lock().take() else {
        return;
    };
    let again = match action {
        None => true,
        Some(_) if how == Errno::ERESTARTNOINTR => true,
        Some(action) => {
            how == Errno::ERESTARTSYS
                && SaFlags::from_bits_retain(action.flags).contains(SaFlags::RESTART)
        }
    };
    if again {
        frame.x[0] = x0;
        frame.pc -= INSTRUCTION;
    } else {
        frame.x[0] = Errno::EINTR.to_return_value();
        let _ = thread.take_resumed();
    }
}

fn stop(thread: &UserThread, signal: u32) {
    let process = &thread.process;
    let mut tree = tree().lock();
    let mut signals = process.signals.lock();
    if !signals.take_stop() {
        // A SIGCONT or SIGKILL came after it was decided.
        return;
    }
    {
        let mut stop = process.stop.lock();
        stop.stopped = true;
        stop.signal = signal as u8;
        stop.number += 1;
    }
    drop(signals);
    // A parent that traces it hears of that in another way.
    let parent = tree.parent(process.pid);
    let traced = tree.tracee(process.pid).map(|it| it.tracer);
    let parent = match traced.is_some() && traced == parent.ok() {
        true => Ok(None),
        false => tree.set_stopped(process.pid, signal as u8),
    };
    drop(tree);
    if let Ok(Some(parent)) = parent {
        tell_parent(&parent, process, WaitStatus::Stopped(signal as u8));
    }
    process.wake_threads();
}

/// A stop of its process holds a thread that is not traced until its end; one that is,
/// until its tracer has it go on.
fn wait_while_stopped(thread: &UserThread, frame: &mut TrapFrame) {
    let process = &thread.process;
    loop {
        let may_go = || {
            let stopped = process.stop.lock().stopped && !thread.is_traced();
            let stands = stopped || cgroup::must_stand(thread);
            (!stands || thread.is_ending()).then_some(())
        };
        if may_go().is_none() {
            cgroup::stand_while(thread, || process.changed.wait_until(may_go));
        }
        if !trace::tell_stop(thread, frame) {
            return;
        }
    }
}

pub(super) fn registers_of(frame: &TrapFrame) -> Registers {
    Registers {
        x: frame.x,
        sp: frame.sp,
        pc: frame.pc,
        pstate: frame.pstate,
    }
}

pub(super) fn set_registers(frame: &mut TrapFrame, registers: &Registers) {
    frame.x = registers.x;
    frame.sp = registers.sp;
    frame.pc = registers.pc;
    frame.pstate = registers.pstate;
}

pub(super) fn fp_to_frame(fp: &FpState) -> signal::FpState {
    let mut vregs = [0; 64];
    for (index, value) in fp.v.iter().enumerate() {
        vregs[2 * index] = *value as u64;
        vregs[2 * index + 1] = (*value >> 64) as u64;
    }
    signal::FpState {
        vregs,
        fpsr: fp.fpsr,
        fpcr: fp.fpcr,
    }
}

pub(super) fn fp_from_frame(fp: &signal::FpState) -> FpState {
    let mut state = FpState::new();
    for (index, value) in state.v.iter_mut().enumerate() {
        *value = u128::from(fp.vregs[2 * index]) | u128::from(fp.vregs[2 * index + 1]) << 64;
    }
    state.fpsr = fp.fpsr;
    state.fpcr = fp.fpcr;
    state
}

fn call_handler(
    thread: &UserThread,
    frame: &mut TrapFrame,
    action: &Sigaction,
    info: &Siginfo,
    old_mask: SignalSet,
) -> Result<()> {
    let alt_stack = thread.process.signals.lock().alt_stack(thread.tid)?;
    let fp = fp_to_frame(&thread.current_fp());
    let fault_address = if info.si_code > 0 { info.fields[0] } else { 0 };
    let request = FrameRequest {
        registers: &registers_of(frame),
        fp: &fp,
        action,
        info,
        old_mask,
        alt_stack,
        trampoline: thread.process.trampoline.load(Ordering::Relaxed),
        fault_address,
        esr: frame.esr,
    };
    let (signal_frame, record, registers) = signal::build_frame(&request)?;
    thread.process.signals.lock().disarm_alt_stack(thread.tid);
    copy_to_user(registers.sp, signal_frame.as_bytes())?;
    copy_to_user(registers.sp + RT_SIGFRAME_SIZE, record.as_bytes())?;
    set_registers(frame, &registers);
    Ok(())
}

/// rt_sigreturn(2): back to where the handler interrupted. A frame that makes
/// no sense is a SIGSEGV.
#[inline(never)]
pub fn sigreturn(frame: &mut TrapFrame) {
    let Some(thread) = current() else {
        return;
    };
    if restore(thread, frame).is_err() {
        fault(frame, SIGSEGV, SEGV_MAPERR, frame.sp);
    }
}

fn restore(thread: &UserThread, frame: &mut TrapFrame) -> Result<()> {
    let mut saved = RtSigframe::new_zeroed();
    copy_from_user(saved.as_mut_bytes(), frame.sp)?;
    let (registers, fp, mask) = signal::restore_frame(&saved)?;
    let mut signals = thread.process.signals.lock();
    signals.set_mask(thread.tid, mask)?;
    signals.restore_alt_stack(thread.tid, saved.uc.uc_stack)?;
    drop(signals);
    set_registers(frame, &registers);
    thread.load_fp(&fp_from_frame(&fp));
    // The mask may let something through that waited.
    thread.notify_self();
    Ok(())
}

/// Tells all threads of the process but the running one, which calls execve,
/// to end. One of several that do this at once wins.
///
/// # Errors
/// `EAGAIN` if another thread was first.
pub fn end_other_threads(thread: &UserThread) -> Result<()> {
    let threads = thread.process.threads.lock();
    if thread.leaving.load(Ordering::Acquire) {
        return Err(Errno::EAGAIN);
    }
    for other in threads.iter().filter(|other| other.tid != thread.tid) {
        other.leaving.store(true, Ordering::Release);
        other.notify();
    }
    Ok(())
}
