//! What is mounted upon folders of processes, and goes with those.

use super::process::{Subject, subject_of};
use crate::process::Process;
use crate::process::vfs::namespace;
use alloc::sync::Arc;
use paddock_vfs::Inode;

/// A process has given its number up, or one of its threads. May sleep.
pub fn ended(process: &Arc<Process>, thread: Option<u32>) {
    uncover(&|subject| {
        let is_thread = |tid| subject.thread.as_ref().is_some_and(|it| it.tid == tid);
        thread.is_none_or(is_thread) && Arc::ptr_eq(&subject.process, process)
    });
}

fn uncover(is_about_it: &dyn Fn(&Subject) -> bool) {
    let is_of_it = |inode: &dyn Inode| subject_of(inode).is_some_and(is_about_it);
    if let Err(error) = namespace().uncover_ended(&is_of_it) {
        log::warn!("unmount: what is on a process that has ended: {error}");
    }
}
