//! Components of paths.

use alloc::boxed::Box;
use core::ops::Deref;

/// The longest component in bytes (`NAME_MAX`).
pub const NAME_MAX: usize = 255;
/// The longest path in bytes with its final zero (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;

/// One component, of 1 to [`NAME_MAX`] bytes.
#[derive(Debug)]
pub enum Name<'a> {
    /// Of the path that is walked.
    OfPath(&'a [u8]),
    /// Of a symbolic link's target.
    OfLink(Box<[u8]>),
}

impl Name<'_> {
    pub fn is_dots(&self) -> bool {
        matches!(&**self, b"." | b"..")
    }
}

impl Deref for Name<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Name::OfPath(name) => name,
            Name::OfLink(name) => name,
        }
    }
}
