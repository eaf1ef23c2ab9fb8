//! System calls: the one table ([`table`]), and the way in.
//!
//! Each call is a function of the [`Call`] in the file of its family. Its
//! error is a Linux error number; the restart numbers never reach a program.

mod acct;
mod aio;
mod args;
mod block;
mod buffers;
mod capabilities;
mod clock;
mod cpu_clock;
mod credentials;
mod descriptors;
mod directories;
mod epoll;
mod eventfd;
mod fanotify;
mod folder_events;
pub mod futex;
mod handles;
mod inotify;
mod io;
mod ioprio;
mod itimer;
mod kcmp;
mod keys;
mod leases;
mod limits;
pub mod locks;
mod memfd;
mod memory;
mod mempolicy;
mod mlock;
mod modules;
mod mount;
mod mount_contexts;
mod mount_setattr;
mod mount_trees;
mod mqueue;
mod msg;
mod namespaces;
mod paths;
mod pidfd;
mod poll;
mod posix_timers;
mod prctl;
mod priority;
mod process;
mod process_vm;
mod ptrace;
mod quota;
mod scheduling;
mod seccomp;
mod sem;
mod shm;
mod signal_io;
mod signalfd;
mod signals;
mod socket;
mod splice;
mod stat;
mod system;
mod table;
mod timerfd;
mod transfer;
mod wait;
mod xattr;

use crate::arch::trap::TrapFrame;
use crate::memory::frames;
use crate::process::object::{Interrupted, UserThread};
use crate::process::{oom, trace};
use crate::thread::Thread;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};

pub use args::Call;

/// Numbers below this are remembered, one bit each, once their absence has
/// been told of; others are never told of.
const REMEMBERED: u64 = 512;
static UNKNOWN: [AtomicU64; REMEMBERED as usize / 64] =
    [const { AtomicU64::new(0) }; REMEMBERED as usize / 64];

/// The way in: SVC from user mode, interrupts on. The result for x0; what
/// changes other registers notes work for the way back.
#[unsafe(no_mangle)]
extern "C" fn trap_system_call(frame: &mut TrapFrame, running: &'static Thread) -> u64 {
    let Some(thread) = crate::process::unwatched(running) else {
        return dispatch_watched(frame, running);
    };
    match frames::is_low() {
        false => dispatch(frame, thread),
        true => dispatch_when_low(frame, thread),
    }
}

/// A thread's that may not make all calls. Apart, likewise.
#[cold]
#[inline(never)]
fn dispatch_watched(frame: &mut TrapFrame, running: &'static Thread) -> u64 {
    let Some(thread) = crate::process::of(running) else {
        return Errno::ENOSYS.to_return_value();
    };
    match thread.is_traced() {
        false => dispatch_judged(frame, thread),
        true => dispatch_traced(frame, thread),
    }
}

fn dispatch_judged(frame: &mut TrapFrame, thread: &'static Arc<UserThread>) -> u64 {
    match seccomp::judge(thread, frame) {
        Some(result) => result,
        None => dispatch_when_low(frame, thread),
    }
}

/// A thread's whose tracer may look at the call, and change it, before and after.
fn dispatch_traced(frame: &mut TrapFrame, thread: &'static Arc<UserThread>) -> u64 {
    let register = frame.x[8];
    let result = match trace::call_begins(thread, frame) {
        None => frame.x[0],
        Some(number) if number == register => dispatch_judged(frame, thread),
        Some(number) => {
            let own = core::mem::replace(&mut frame.x[8], number);
            let result = dispatch_judged(frame, thread);
            frame.x[8] = own;
            result
        }
    };
    trace::call_ends(thread, frame, result)
}

/// Memory first. Apart, so that the ordinary way keeps nothing for after it.
#[cold]
#[inline(never)]
fn dispatch_when_low(frame: &mut TrapFrame, thread: &'static Arc<UserThread>) -> u64 {
    if frames::is_low() {
        oom::before_call(thread);
    }
    dispatch(frame, thread)
}

#[inline(always)]
fn dispatch(frame: &mut TrapFrame, thread: &'static Arc<UserThread>) -> u64 {
    let number = frame.x[8];
    let mut call = Call::new(frame, thread);
    match table::entry(number) {
        Some(entry) => entry(&mut call),
        None => unknown(thread, number),
    }
}

/// What goes into x0. In line in each call.
#[inline(always)]
fn encode(call: &mut Call<'_>, result: Result<u64>) -> u64 {
    match result {
        Ok(value) => value,
        Err(error) => fail(call, error),
    }
}

/// An error's value. A call that may be made again leaves a note of that for
/// the way back to user mode.
#[cold]
fn fail(call: &mut Call<'_>, error: Errno) -> u64 {
    let how = match error {
        _ if error.is_restart() => error,
        Errno::ENOMEM | Errno::EFAULT if finds_memory(call.thread, error) => Errno::ERESTARTNOINTR,
        _ => return error.to_return_value(),
    };
    let x0 = call.frame.x[0];
    *call.thread.interrupted.lock() = Some(Interrupted { x0, how });
    call.thread.notify_self();
    Errno::EINTR.to_return_value()
}

/// Whether a call has failed for want of memory and some was freed since: it
/// is made again then.
fn finds_memory(thread: &Arc<UserThread>, error: Errno) -> bool {
    let lacked = thread.lacked_memory.swap(false, Relaxed);
    let failed_for_it = lacked || error == Errno::ENOMEM && frames::is_low();
    failed_for_it && oom::relieve(thread)
}

/// A call that is not there: said once for each number.
#[cold]
fn unknown(thread: &UserThread, number: u64) -> u64 {
    if number < REMEMBERED {
        let bit = 1 << (number % 64);
        if UNKNOWN[(number / 64) as usize].fetch_or(bit, Relaxed) & bit == 0 {
            let name = paddock_abi::nr::name(number).unwrap_or("?");
            log::info!(
                "process {}: no system call {number} ({name}) here",
                thread.process.pid
            );
        }
    }
    Errno::ENOSYS.to_return_value()
}
