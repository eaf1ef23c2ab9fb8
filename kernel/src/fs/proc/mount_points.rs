//! What is mounted upon folders of processes, and goes with those.

use super::process::{Subject, subject_of};
use crate::process::Process;
use crate::process::vfs::namespace;
use alloc::sync::Arc;
use paddock_vfs::Inode;

/// A process has given its number up. May sleep.
pub fn process_ended(process: &Arc<Process>) {
    uncover(&|subject| Arc::ptr_eq(&subject.process, process));
}

/// A thread has, which is not the last one of its process. May sleep.
pub fn thread_ended(process: &Arc<Process>, tid: u32) {
    uncover(&|subject| {
        let is_thread = subject.thread.as_ref().is_some_and(|it| it.tid == tid);
        is_thread && Arc::ptr_eq(&subject.process, process)
    });
}

fn uncover(is_about_it: &dyn Fn(&Subject) -> bool) {
    let is_of_it = |inode: &dyn Inode| subject_of(inode).is_some_and(is_about_it);
    if let Err(error) = namespace().uncover_ended(&is_of_it) {
        log::warn!("unmount: what is on a process that has ended: {error}");
    }
}
