//! Who hears of what is done by way of an [`OpenFile`], and who is asked before.

use super::OpenFile;
use crate::notify::fanotify::Mask;
use crate::notify::{self, Events};
use crate::{OpenFlags, Path, Result};

impl OpenFile {
    /// Where somebody may hear of what is done by way of it, or be asked.
    #[inline]
    pub(super) fn heard_at(&self) -> Option<&Path> {
        match notify::is_any() && !self.is_unheard {
            true => self.path.as_ref(),
            false => None,
        }
    }

    /// It is being closed: its last one, maybe, whose name is gone.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_closed(&mut self) {
        let flags = self.flags();
        if let Some(path) = self.heard_at()
            && !flags.contains(OpenFlags::PATH)
        {
            let events = match flags.writable() {
                true => Events::CLOSE_WRITE,
                false => Events::CLOSE_NOWRITE,
            };
            notify::at_path(path, events);
        }
        drop(self.path.take());
        notify::settle();
    }

    /// Those who watch it hear of what was done to some bytes.
    pub(super) fn notify(&self, count: usize, events: Events) {
        if count > 0
            && let Some(path) = self.heard_at()
        {
            notify::at_path(path, events);
        }
    }

    /// Those are asked who want to be before it is read (fanotify(7)): what read(2) and its
    /// kin do before they take the offset. No lock may be held. Sleeps.
    ///
    /// # Errors
    /// `EPERM` if somebody refuses it; `ERESTARTSYS` for who has to end meanwhile; `ENOMEM`.
    #[inline]
    pub fn ask_read(&self) -> Result<()> {
        match self.heard_at() {
            Some(path) => notify::ask(path, Mask::ACCESS_PERM),
            None => Ok(()),
        }
    }
}
