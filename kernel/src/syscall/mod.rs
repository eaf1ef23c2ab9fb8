//! System calls: the one table, and the way in.
//!
//! Each call is a function of the [`Call`] in the file of its family. Its
//! error is a Linux error number; the restart numbers never reach a program.

pub mod futex;
mod process;

use crate::arch::trap::TrapFrame;
use crate::user::process::{Interrupted, Process, UserThread};
use crate::user::{self};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};

/// A system call under way.
pub struct Call<'a> {
    /// The user's registers; only execve, clone and rt_sigreturn look there.
    pub frame: &'a mut TrapFrame,
    /// Its six arguments.
    pub args: [u64; 6],
    /// The calling thread.
    pub thread: &'static Arc<UserThread>,
}

impl Call<'_> {
    /// The calling process.
    pub fn process(&self) -> &'static Arc<Process> {
        &self.thread.process
    }
}

type Entry = fn(&mut Call<'_>) -> Result<u64>;

/// What is done for a system call's number.
fn entry(number: u64) -> Option<Entry> {
    use paddock_abi::nr::*;
    Some(match number {
        EXIT => process::exit,
        EXIT_GROUP => process::exit_group,
        GETPID => process::getpid,
        GETPPID => process::getppid,
        _ => return None,
    })
}

/// How many calls of unknown numbers there have been, to limit what is said
/// of them.
static UNKNOWN: AtomicU64 = AtomicU64::new(0);
const UNKNOWN_LOGGED: u64 = 32;

/// The way in: SVC from user mode, interrupts on.
pub fn dispatch(frame: &mut TrapFrame) {
    let Some(thread) = user::current() else {
        return;
    };
    let number = frame.x[8];
    if number == paddock_abi::nr::RT_SIGRETURN {
        user::sigreturn(frame);
        return;
    }
    let args = [frame.x[0], frame.x[1], frame.x[2], frame.x[3], frame.x[4], frame.x[5]];
    let result = match entry(number) {
        Some(entry) => entry(&mut Call { frame, args, thread }),
        None => unknown(thread, number),
    };
    match result {
        Ok(value) => frame.x[0] = value,
        Err(error) if error.is_restart() => {
            *thread.interrupted.lock() = Some(Interrupted { x0: args[0], how: error });
            frame.x[0] = Errno::EINTR.to_return_value();
            thread.notify_self();
        }
        Err(error) => frame.x[0] = error.to_return_value(),
    }
}

fn unknown(thread: &UserThread, number: u64) -> Result<u64> {
    if UNKNOWN.fetch_add(1, Relaxed) < UNKNOWN_LOGGED {
        log::info!("process {}: unknown system call {number}", thread.process.pid);
    }
    Err(Errno::ENOSYS)
}
