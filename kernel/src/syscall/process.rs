//! Processes: identity and end.

use super::Call;
use crate::user::{self, tree};
use core::sync::atomic::Ordering;
use paddock_abi::Result;
use paddock_process::WaitStatus;

/// exit(2): the thread ends; with the last one the process.
pub fn exit(call: &mut Call<'_>) -> Result<u64> {
    let process = call.process();
    if process.threads.lock().len() == 1 {
        user::begin_exit(process, WaitStatus::Exited(call.args[0] as u8));
    }
    call.thread.leaving.store(true, Ordering::Release);
    call.thread.notify_self();
    Ok(0)
}

/// exit_group(2).
pub fn exit_group(call: &mut Call<'_>) -> Result<u64> {
    user::begin_exit(call.process(), WaitStatus::Exited(call.args[0] as u8));
    call.thread.notify_self();
    Ok(0)
}

/// getpid(2).
pub fn getpid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().pid))
}

/// getppid(2).
pub fn getppid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(tree().lock().parent(call.process().pid)?))
}
