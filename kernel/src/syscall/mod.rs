//! System calls: the one table ([`table`]), and the way in.
//!
//! Each call is a function of the [`Call`] in the file of its family. Its
//! error is a Linux error number; the restart numbers never reach a program.

mod args;
mod attributes;
mod block;
mod buffers;
mod clock;
mod credentials;
mod descriptors;
mod directories;
mod epoll;
mod event;
pub mod futex;
mod io;
pub mod locks;
mod memory;
mod names;
mod poll;
mod process;
mod scheduling;
mod signals;
mod socket;
mod stat;
mod system;
mod table;
mod timer_file;
mod transfer;
mod wait;

use crate::arch::trap::TrapFrame;
use crate::user;
use crate::user::process::{Interrupted, UserThread};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};

pub use args::Call;
pub use descriptors::{init, release};
pub use system::hostname;

/// Numbers below this are remembered, one bit each, once their absence has
/// been told of; others are never told of.
const REMEMBERED: u64 = 512;
static UNKNOWN: [AtomicU64; REMEMBERED as usize / 64] =
    [const { AtomicU64::new(0) }; REMEMBERED as usize / 64];

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
    let args = [
        frame.x[0], frame.x[1], frame.x[2], frame.x[3], frame.x[4], frame.x[5],
    ];
    let mut call = Call {
        frame,
        args,
        thread,
        replaced: false,
        resumed: thread.take_resumed(),
    };
    let result = match table::entry(number) {
        Some(entry) => entry(&mut call),
        None => unknown(thread, number),
    };
    if call.replaced {
        // A new program starts with what execve put into its registers.
        return;
    }
    match result {
        Ok(value) => frame.x[0] = value,
        Err(error) if error.is_restart() => note_restart(thread, frame, args[0], error),
        Err(error) => frame.x[0] = error.to_return_value(),
    }
}

/// The call may be made again: what is decided on the way back to user mode.
#[cold]
fn note_restart(thread: &UserThread, frame: &mut TrapFrame, x0: u64, how: Errno) {
    *thread.interrupted.lock() = Some(Interrupted { x0, how });
    frame.x[0] = Errno::EINTR.to_return_value();
    thread.notify_self();
}

/// A call that is not there: said once for each number.
#[cold]
fn unknown(thread: &UserThread, number: u64) -> Result<u64> {
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
    Err(Errno::ENOSYS)
}
