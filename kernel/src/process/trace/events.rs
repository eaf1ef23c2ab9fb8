//! What tracers are told of beside signals and system calls: new threads and programs,
//! and the ends of both sides.

use super::{ENDS, TRAP, options, send_to_self, stop_at, tell_tracer};
use crate::arch::trap::TrapFrame;
use crate::process::numbers::known_to;
use crate::process::object::{Process, UserThread};
use crate::process::{signals, tree};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::Result;
use paddock_abi::process::CloneFlags;
use paddock_abi::ptrace::*;
use paddock_abi::signal::{SIGCHLD, SIGSTOP, SIGTRAP, Siginfo};
use paddock_cred::Cap;
use paddock_process::{TraceEnd, WaitStatus};

/// The event of a clone(2) with these flags, if the running thread's tracer asked for
/// it.
pub fn event_of_clone(thread: &UserThread, flags: CloneFlags, exit_signal: u32) -> Option<u8> {
    if !thread.is_traced() || flags.contains(CloneFlags::UNTRACED) {
        return None;
    }
    let (event, option) = match exit_signal {
        _ if flags.contains(CloneFlags::VFORK) => (PTRACE_EVENT_VFORK, TraceOptions::VFORK),
        SIGCHLD => (PTRACE_EVENT_FORK, TraceOptions::FORK),
        _ => (PTRACE_EVENT_CLONE, TraceOptions::CLONE),
    };
    options(thread).contains(option).then_some(event)
}

/// A new thread, which does not run yet, is traced as the running one that made it.
/// `ENOMEM`.
pub fn inherit(parent: &UserThread, child: &UserThread) -> Result<()> {
    let Some(tracee) = tree().lock().tracee(parent.tid) else {
        return Ok(());
    };
    child.begin_trace(tracee.tracer, tracee.seized, tracee.options)?;
    match tracee.seized {
        true => child.trace.set(TRAP),
        false => {
            let info = Siginfo::kernel(SIGSTOP);
            child.process.signals.lock().send(&info, Some(child.tid))?;
        }
    }
    Ok(())
}

/// What a thread's tracer knows a task by.
fn known_to_tracer(thread: &UserThread, id: u32) -> u64 {
    let tracer = tracer_of(thread);
    u64::from(tracer.map_or(0, |tracer| known_to(&tracer.space, id).get()))
}

/// Tells the tracer of a new thread or process. May sleep.
pub fn tell_clone(thread: &UserThread, frame: &TrapFrame, event: u8, made: u32) {
    // What the tracer changes of the registers here would be lost with the call's end.
    let mut shown = frame.clone();
    let number = known_to_tracer(thread, made);
    stop_at(thread, &mut shown, SIGTRAP, event, number);
}

/// The child of a vfork has let its parent go on. May sleep.
pub fn tell_vfork_done(thread: &UserThread, frame: &TrapFrame, child: u32) {
    if thread.is_traced() && options(thread).contains(TraceOptions::VFORKDONE) {
        tell_clone(thread, frame, PTRACE_EVENT_VFORK_DONE, child);
    }
}

/// Whether the running thread, which this is, has a tracer that could not trace just
/// anybody: a program gives it no more rights than that has.
pub fn is_by_weaker(thread: &UserThread) -> bool {
    tracer_of(thread).is_some_and(|tracer| !tracer.cred().capable(Cap::CAP_SYS_PTRACE))
}

fn tracer_of(thread: &UserThread) -> Option<Arc<Process>> {
    let tree = tree().lock();
    let tracee = tree.tracee(thread.tid)?;
    tree.get(tracee.tracer)
}

/// The running thread has another program. One that its tracer may not look into is
/// traced no more. May sleep.
pub fn tell_exec(thread: &UserThread, frame: &mut TrapFrame) {
    let Some(tracer) = tracer_of(thread) else {
        return;
    };
    let process = &thread.process;
    let may = tracer.cred().may_inspect(
        &process.cred(),
        process.is_dumpable(),
        &process.looked_into_from(),
    );
    if !may {
        tree().lock().untrace(thread.tid);
        return thread.end_trace();
    }
    let Some(tracee) = tree().lock().tracee(thread.tid) else {
        return;
    };
    if tracee.options.contains(TraceOptions::EXEC) {
        let tid = known_to_tracer(thread, thread.tid);
        stop_at(thread, frame, SIGTRAP, PTRACE_EVENT_EXEC, tid);
    } else if !tracee.seized {
        send_to_self(thread, SIGTRAP);
    }
}

/// The running thread is about to end. May sleep.
pub fn tell_end(thread: &UserThread, frame: &mut TrapFrame) {
    let trace = &thread.trace;
    if !thread.is_traced() || trace.has(ENDS) || !options(thread).contains(TraceOptions::EXIT) {
        return;
    }
    trace.set(ENDS);
    let process = &thread.process;
    let code = process.exit_code.load(Ordering::Relaxed);
    let status = process
        .signals
        .lock()
        .ending()
        .unwrap_or(WaitStatus::Exited(code));
    let message = status.to_raw() as u32 as u64;
    stop_at(thread, frame, SIGTRAP, PTRACE_EVENT_EXIT, message);
}

/// A thread other than its process's first has ended, for its tracer.
pub fn thread_ended(thread: &UserThread) {
    let process = &thread.process;
    let status = process
        .signals
        .lock()
        .ending()
        .unwrap_or(WaitStatus::Exited(0));
    let tracer = tree().lock().trace_ended(thread.tid, status);
    if let Some(tracer) = tracer {
        tell_tracer(&tracer, process, thread.tid, status);
    }
}

/// A process has ended, of which its tracer has to hear.
pub fn process_ended(tracer: &Arc<Process>, process: &Process, status: WaitStatus) {
    tell_tracer(tracer, process, process.pid, status);
}

/// A tracer has ended: those that it traced go on without it, or end too.
pub fn tracer_ended(pid: u32) {
    loop {
        let end = tree().lock().tracer_ended(pid);
        match end {
            Some(end) => free(&end),
            None => return,
        }
    }
}

fn free(end: &TraceEnd<Process>) {
    if end.options.contains(TraceOptions::EXITKILL) {
        signals::kill(&end.process);
    }
    if let Some(thread) = end.process.thread(end.tid) {
        thread.end_trace();
    }
}

/// A thread that stands still goes on without its tracer, with a signal or zero.
pub fn detach(thread: &UserThread, signal: u32) {
    if let Some(area) = &mut *thread.trace.area.lock() {
        area.signal = signal;
    }
    tree().lock().untrace(thread.tid);
    thread.end_trace();
}
