//! Semaphores of System V.

use super::now;
use crate::process::object::Process;
use paddock_ipc::sem::UndoList;

/// A process has ended: what it asked for that (`SEM_UNDO`) is done.
pub fn process_ended(process: &Process) {
    let list = core::mem::replace(&mut *process.sem_undo.lock(), UndoList::new());
    if !list.is_empty() {
        list.undo(process.pid, now());
    }
}
