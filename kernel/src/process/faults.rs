//! Page faults of programs, and of the kernel's copies to and from them.

use super::{current, oom, signals};
use crate::arch::trap::{self, Abort, AbortKind, TrapFrame};
use crate::thread;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::signal::*;
use paddock_mem::{Access, FaultError, handle_fault};

/// Faults of all programs since the boot, minor and major ones.
static FAULTS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// How many faults of programs there have been, minor and major ones. Any context.
pub fn counts() -> [u64; 2] {
    FAULTS.each_ref().map(|count| count.load(Relaxed))
}

fn access_of(abort: &Abort) -> Access {
    match abort.access {
        trap::Access::Read => Access::Read,
        trap::Access::Write => Access::Write,
        trap::Access::Execute => Access::Execute,
    }
}

fn repair(abort: &Abort) -> Result<(), FaultError> {
    match abort.kind {
        AbortKind::Translation | AbortKind::AccessFlag | AbortKind::Permission => {}
        AbortKind::Alignment | AbortKind::External => return Err(FaultError::Bus),
    }
    let memory = current()
        .and_then(|thread| thread.process.memory().ok())
        .ok_or(FaultError::NotMapped)?;
    let read_before = blocks_read();
    handle_fault(&memory.space, abort.address, access_of(abort))?;
    if let Some(thread) = current() {
        let major = usize::from(blocks_read() != read_before);
        thread.faults[major].fetch_add(1, Relaxed);
        FAULTS[major].fetch_add(1, Relaxed);
    }
    Ok(())
}

/// What the running thread has read from disks.
fn blocks_read() -> u64 {
    thread::current().blocks_read()
}

/// A fault in user mode: repaired, or a signal.
pub fn handle_user(frame: &mut TrapFrame) {
    let abort = frame.abort();
    let Err(fault) = repair(&abort) else {
        return;
    };
    let (signal, code) = match fault {
        FaultError::NotMapped => (SIGSEGV, SEGV_MAPERR),
        FaultError::NotAllowed => (SIGSEGV, SEGV_ACCERR),
        FaultError::Bus if abort.kind == AbortKind::Alignment => (SIGBUS, BUS_ADRALN),
        FaultError::Bus => (SIGBUS, BUS_ADRERR),
        FaultError::OutOfMemory => return out_of_memory(),
    };
    signals::fault(frame, signal, code, abort.address);
}

/// A program needs memory where there is none: the access is tried again once
/// some was freed. If nothing can be, the program itself has to end.
fn out_of_memory() {
    let Some(thread) = current() else {
        return;
    };
    if !oom::relieve(thread) && !thread.is_ending() {
        signals::kill(&thread.process);
    }
}

/// A fault of the kernel's copy to or from the current process: true if the
/// access can be tried again. For want of memory it cannot: locks may be held
/// here, so that waiting for some is left to the end of the system call.
pub fn handle_kernel_access(abort: &Abort) -> bool {
    let repaired = repair(abort);
    if repaired == Err(FaultError::OutOfMemory)
        && let Some(thread) = current()
    {
        thread.lacked_memory.store(true, Relaxed);
    }
    repaired.is_ok()
}
