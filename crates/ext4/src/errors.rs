//! What becomes of a filesystem whose metadata is bad: by `errors=` it goes
//! on, takes no more changes, or stops the machine. One whose journal cannot
//! be written takes no more changes in any case.

use crate::bytes::{get_u16, put_u16};
use crate::checksums::Seal;
use crate::disk::zeroed;
use crate::layout::{OnError, SB_STATE, STATE_ERRORS};
use crate::transaction::Core;
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_vfs::{Errno, Result, WriteErrors};

/// How a mounted filesystem is.
pub(crate) struct Health {
    /// Errors were found in it, now or when it was mounted before.
    damaged: AtomicBool,
    /// It takes no more changes.
    stopped: AtomicBool,
    /// What went wrong in writing anything of it.
    pub write_errors: WriteErrors,
}

impl Health {
    pub fn new(damaged: bool) -> Health {
        Health {
            damaged: AtomicBool::new(damaged),
            stopped: AtomicBool::new(false),
            write_errors: WriteErrors::new(),
        }
    }

    /// Whether no more changes are taken.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// What is wrong with it, for whoever can mend it.
    pub fn complaint(&self) -> Option<&'static str> {
        match (self.is_stopped(), self.damaged.load(Ordering::Relaxed)) {
            (true, _) => {
                Some("takes no more changes since an error, see `dmesg`; repair it with e2fsck")
            }
            (false, true) => Some("has errors, see `dmesg`; repair it with e2fsck"),
            (false, false) => None,
        }
    }
}

impl Core {
    /// Acts on an error if it means that metadata is bad: `EIO`, `EUCLEAN` or
    /// `EBADMSG`.
    ///
    /// # Panics
    /// If the superblock says so.
    pub fn found_bad(&mut self, what: &str, error: Errno) {
        if !matches!(error, Errno::EIO | Errno::EUCLEAN | Errno::EBADMSG) {
            return;
        }
        self.health.damaged.store(true, Ordering::Relaxed);
        match self.geometry.on_error {
            OnError::Continue => {
                self.disk.report(format_args!("{what}: {error}"));
                let _ = self.mark_errors();
            }
            OnError::ReadOnly => self.stop(what, error),
            OnError::Panic => panic!("ext4: {}: {what}: {error} (errors=panic)", self.disk.name()),
        }
    }

    /// Takes no more changes from now on.
    pub fn stop(&mut self, what: &str, error: Errno) {
        if self.is_stopped() || self.is_closed() {
            return;
        }
        self.health.stopped.store(true, Ordering::Relaxed);
        self.health.write_errors.record(error);
        log::error!(
            "ext4: {}: {what}: {error}; it is read-only from now on. Check it with e2fsck",
            self.disk.name()
        );
        let _ = self.mark_errors();
    }

    /// Notes in the superblock that a check is due: at once, and outside any
    /// transaction.
    fn mark_errors(&mut self) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let (block, at) = self.geometry.superblock_place();
        let mut data = zeroed(self.disk.block_size)?;
        self.disk.read(block, &mut data)?;
        let state = get_u16(&data, at + SB_STATE);
        if state & STATE_ERRORS != 0 {
            return Ok(());
        }
        put_u16(&mut data, at + SB_STATE, state | STATE_ERRORS);
        self.geometry.seal(Seal::Superblock, block, &mut data);
        self.disk.write(block, &data)?;
        self.note_errors_in_memory(block, at + SB_STATE);
        Ok(())
    }
}
