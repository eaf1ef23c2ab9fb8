//! [`FsState`]: what all mounts of one filesystem share.

use crate::writers::Writers;
use crate::{Cred, Errno, FileSystem, Result};
use core::fmt;
use paddock_cred::{Cap, UserNamespace};

/// What of a filesystem is the same through all its mounts, whatever it is made of:
/// Linux's superblock. Any context.
pub struct FsState {
    pub(crate) writers: Writers,
    owner: UserNamespace,
}

impl fmt::Debug for FsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.writers.fmt(f)
    }
}

impl Default for FsState {
    fn default() -> Self {
        Self::new()
    }
}

impl FsState {
    /// Of one that is the machine's, and can be changed.
    pub const fn new() -> FsState {
        FsState::of(UserNamespace::INITIAL)
    }

    /// Of one that was made in a user namespace.
    pub const fn of(owner: UserNamespace) -> FsState {
        FsState {
            writers: Writers::new(),
            owner,
        }
    }

    /// The user namespace whose capabilities are asked for.
    pub fn owner(&self) -> &UserNamespace {
        &self.owner
    }

    /// Whether it refuses changes because it was mounted so.
    pub fn is_read_only(&self) -> bool {
        self.writers.are_forbidden()
    }

    /// Has it refuse changes, or not any more. `EBUSY` if files are open for writing.
    pub fn set_read_only(&self, read_only: bool) -> Result<()> {
        self.writers.set_allowed(!read_only)
    }
}

/// What of a filesystem is to be another way (`MS_REMOUNT` of mount(2),
/// `FSCONFIG_CMD_RECONFIGURE` of fsconfig(2)).
#[derive(Clone, Copy, Debug)]
pub struct Reconfiguration<'a> {
    /// Whether it refuses changes; `None` if that stays.
    pub read_only: Option<bool>,
    /// The filesystem's own options, separated by commas.
    pub options: &'a str,
    /// Who asks, and gives ids of its user namespace.
    pub caller: &'a Cred,
    /// The machine's memory in bytes, of which options may be parts.
    pub memory: u64,
}

impl Reconfiguration<'_> {
    /// Changes `fs`. May sleep.
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN where it was made; `EBUSY` if files are open for
    /// writing; `EINVAL` for options; `EROFS` if it cannot be written; `EIO`. Nothing has
    /// changed then.
    pub fn apply(&self, fs: &dyn FileSystem) -> Result<()> {
        let state = fs.state();
        self.caller.require_in(state.owner(), Cap::CAP_SYS_ADMIN)?;
        let was_read_only = state.is_read_only();
        match self.read_only {
            Some(true) => state.set_read_only(true)?,
            Some(false) if fs.read_only() => return Err(Errno::EROFS),
            _ => {}
        }
        let synced = match self.read_only == Some(true) && !was_read_only {
            true => fs.sync(),
            false => Ok(()),
        };
        if let Err(error) = synced.and_then(|()| fs.reconfigure(self)) {
            let _ = state.set_read_only(was_read_only);
            return Err(error);
        }
        match self.read_only {
            Some(read_only) => state.set_read_only(read_only),
            None => Ok(()),
        }
    }
}
