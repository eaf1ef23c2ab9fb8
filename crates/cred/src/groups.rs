//! Supplementary groups.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;

/// The most groups (limits.h).
pub const NGROUPS_MAX: usize = 65_536;

/// Groups, in the order of their numbers; copies share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Option<Arc<Vec<u32>>>);

impl Groups {
    /// None.
    pub const fn none() -> Groups {
        Groups(None)
    }

    /// These. `EINVAL` for more than [`NGROUPS_MAX`], `ENOMEM`.
    pub fn new(mut groups: Vec<u32>) -> Result<Groups> {
        if groups.len() > NGROUPS_MAX {
            return Err(Errno::EINVAL);
        }
        groups.sort_unstable();
        match groups.is_empty() {
            true => Ok(Groups::none()),
            false => Ok(Groups(Some(try_arc(groups)?))),
        }
    }

    /// Whether `gid` is one of them.
    pub fn has(&self, gid: u32) -> bool {
        self.binary_search(&gid).is_ok()
    }
}

impl Deref for Groups {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        self.0.as_ref().map_or(&[], |groups| groups)
    }
}
