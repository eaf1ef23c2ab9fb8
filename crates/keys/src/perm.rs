//! Rights to keys (keyrings(7), "Access rights").

use crate::key::Key;
use paddock_cred::Cred;

bitflags::bitflags! {
    /// What somebody needs a key for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Need: u32 {
        /// Seeing its attributes.
        const VIEW = 1;
        /// Reading it.
        const READ = 2;
        /// Writing it, or making and removing links.
        const WRITE = 4;
        /// Finding it.
        const SEARCH = 8;
        /// Linking to it.
        const LINK = 0x10;
        /// Changing its attributes.
        const SETATTR = 0x20;
    }
}

/// All rights of all.
pub const ALL: u32 = 0x3f3f_3f3f;
const GROUP: u32 = 0x3f00;

impl Key {
    /// Whether `cred`, who possesses it or not, has rights to it.
    pub fn grants(&self, cred: &Cred, possessed: bool, need: Need) -> bool {
        let has_group = self.perm & GROUP != 0 && self.gid != u32::MAX;
        let own = match () {
            () if self.uid == cred.uid.fs => self.perm >> 16,
            () if has_group && (cred.gid.fs == self.gid || cred.groups.has(self.gid)) => {
                self.perm >> 8
            }
            () => self.perm,
        };
        let as_possessor = if possessed { self.perm >> 24 } else { 0 };
        need.bits() & !(own | as_possessor) == 0
    }
}
