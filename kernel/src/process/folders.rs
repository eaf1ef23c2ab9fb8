//! Who is told that folders of `/proc` stand for nobody any more.

use super::Process;
use alloc::sync::Arc;
use paddock_sync::OnceCell;

/// A process has given its number up, or one of its threads, if its number is there.
/// May sleep.
pub type Ended = fn(&Arc<Process>, Option<u32>);

static TOLD: OnceCell<Ended> = OnceCell::new();

/// Has `told` called from now on. Once, before there are processes.
pub fn on_end(told: Ended) {
    let _ = TOLD.set(told);
}

/// A process has given its number up. May sleep.
pub fn process_ended(process: &Arc<Process>) {
    if let Some(told) = TOLD.get() {
        told(process, None);
    }
}

/// A thread has, which is not the last one of its process. May sleep.
pub fn thread_ended(process: &Arc<Process>, tid: u32) {
    if let Some(told) = TOLD.get() {
        told(process, Some(tid));
    }
}
