//! Where files end that were passed and never received.
//!
//! A passed socket may itself hold passed files, and so on without bound:
//! dropping them one inside the other would use up the stack. Whoever drops
//! the first drops all, one after the other.

use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_sync::{PreemptOff, Rank, SpinLock};
use paddock_vfs::OpenFile;

struct Graveyard {
    files: Vec<Arc<OpenFile>>,
    /// Somebody takes files out and will go on until there are none.
    tended: bool,
}

static GRAVEYARD: SpinLock<Graveyard, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Graveyard {
        files: Vec::new(),
        tended: false,
    },
);

/// Drops files. May sleep, as the last close of a file may.
pub(crate) fn bury(mut files: Vec<Arc<OpenFile>>) {
    if files.is_empty() {
        return;
    }
    let mut yard = GRAVEYARD.lock();
    if yard.files.try_reserve(files.len()).is_err() {
        drop(yard);
        drop(files);
        return;
    }
    yard.files.append(&mut files);
    if core::mem::replace(&mut yard.tended, true) {
        return;
    }
    drop(yard);
    loop {
        let mut yard = GRAVEYARD.lock();
        let Some(file) = yard.files.pop() else {
            yard.tended = false;
            return;
        };
        drop(yard);
        drop(file);
    }
}
