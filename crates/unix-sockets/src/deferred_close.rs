//! Where files end that were passed and never received.
//!
//! A passed socket may itself hold passed files, and so on without bound:
//! dropping them one inside the other would use up the stack. Whoever drops
//! the first drops all, one after the other.

use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_sync::{PreemptOff, Rank, SpinLock};
use paddock_vfs::OpenFile;

struct Deferred {
    files: Vec<Arc<OpenFile>>,
    /// Somebody takes files out and will go on until there are none.
    being_closed: bool,
}

static DEFERRED: SpinLock<Deferred, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Deferred {
        files: Vec::new(),
        being_closed: false,
    },
);

/// Drops files. May sleep, as the last close of a file may.
pub(crate) fn close(mut files: Vec<Arc<OpenFile>>) {
    if files.is_empty() {
        return;
    }
    let mut deferred = DEFERRED.lock();
    if deferred.files.try_reserve(files.len()).is_err() {
        drop(deferred);
        drop(files);
        return;
    }
    deferred.files.append(&mut files);
    if core::mem::replace(&mut deferred.being_closed, true) {
        return;
    }
    drop(deferred);
    loop {
        let mut deferred = DEFERRED.lock();
        let Some(file) = deferred.files.pop() else {
            deferred.being_closed = false;
            return;
        };
        drop(deferred);
        drop(file);
    }
}
