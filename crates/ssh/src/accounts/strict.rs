//! Whether a file can be trusted to say what its user wants.

use core::fmt;

/// Why others than the user could have written a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// It belongs to somebody else, who is not user 0.
    Owner(u32),
    /// Its group or everybody may write to it: its permission bits.
    Mode(u32),
}

/// What is wrong with a file or folder of that owner and those permission
/// bits that only `user` and user 0 should be able to change.
pub fn weakness(owner: u32, mode: u32, user: u32) -> Option<Weakness> {
    if owner != 0 && owner != user {
        return Some(Weakness::Owner(owner));
    }
    (mode & 0o022 != 0).then_some(Weakness::Mode(mode & 0o7777))
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "belongs to user {owner}; give it to its user (chown)"),
            Self::Mode(mode) => write!(f, "has mode {mode:04o}; take `chmod go-w`"),
        }
    }
}
