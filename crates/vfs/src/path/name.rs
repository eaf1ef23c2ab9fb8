//! Components of paths.

use crate::{Errno, Result};
use core::ops::Deref;

/// The longest component in bytes (`NAME_MAX`).
pub const NAME_MAX: usize = 255;
/// The longest path in bytes with its final zero (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;

/// One component, copied out of a path.
#[derive(Clone)]
pub struct Name {
    len: u8,
    bytes: [u8; NAME_MAX],
}

impl Name {
    /// `ENAMETOOLONG` if it is longer than [`NAME_MAX`].
    pub fn new(name: &[u8]) -> Result<Name> {
        let len = u8::try_from(name.len()).map_err(|_| Errno::ENAMETOOLONG)?;
        let mut bytes = [0; NAME_MAX];
        bytes[..name.len()].copy_from_slice(name);
        Ok(Name { len, bytes })
    }

    pub fn is_dots(&self) -> bool {
        matches!(&**self, b"." | b"..")
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
