//! What becomes of a filesystem whose metadata is bad: by `errors=` it goes
//! on, takes no more changes, or stops the machine. One whose journal cannot
//! be written takes no more changes in any case.

use crate::bytes::{get_u16, put_u16};
use crate::checksums::Seal;
use crate::disk::zeroed;
use crate::layout::{OnError, SB_STATE, STATE_ERRORS};
use crate::transaction::Core;
use paddock_vfs::{Errno, Result};

impl Core {
    /// Acts on an error if it means that metadata is bad: `EIO` or `EUCLEAN`.
    ///
    /// # Panics
    /// If the superblock says so.
    pub fn found_bad(&mut self, what: &str, error: Errno) {
        if !matches!(error, Errno::EIO | Errno::EUCLEAN) {
            return;
        }
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
        if self.is_stopped() || self.journal_is_closed() {
            return;
        }
        self.set_stopped();
        log::error!(
            "ext4: {}: {what}: {error}; it is read-only from now on. Check it with e2fsck",
            self.disk.name()
        );
        let _ = self.mark_errors();
    }

    /// Notes in the superblock that a check is due: at once, and outside any
    /// transaction.
    fn mark_errors(&mut self) -> Result<()> {
        if self.journal_is_closed() {
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
