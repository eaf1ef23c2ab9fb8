//! What the program says without being asked.

use crate::message::Fields;
use paddock_abi::{Errno, Result};

const INVAL_INODE: i32 = 2;
const INVAL_ENTRY: i32 = 3;
const DELETE: i32 = 6;
/// Bytes of a notice at most: a name, and what is before it.
pub const MOST_BYTES: usize = 24 + 1024 + 1;
const NAME_MAX: usize = 255;

/// Something that does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// What a node is; and what is in it from an offset on, so many bytes or all for zero,
    /// unless the offset is below zero.
    Inode { node: u64, offset: i64, length: i64 },
    /// What a name in a directory leads to.
    Name { parent: u64, name: &'a [u8] },
}

impl Notice<'_> {
    /// By its number.
    ///
    /// # Errors
    /// `EINVAL` for one that is not known, or is not as long as it says; `ENAMETOOLONG`.
    pub fn parse(code: i32, bytes: &[u8]) -> Result<Notice<'_>> {
        let short = |_| Errno::EINVAL;
        let mut fields = Fields(bytes);
        match code {
            INVAL_INODE if bytes.len() == 24 => Ok(Notice::Inode {
                node: fields.u64().map_err(short)?,
                offset: fields.u64().map_err(short)? as i64,
                length: fields.u64().map_err(short)? as i64,
            }),
            INVAL_ENTRY => {
                let parent = fields.u64().map_err(short)?;
                let [length, _flags] = [fields.u32().map_err(short)?, fields.u32().map_err(short)?];
                named(parent, length, fields.0)
            }
            DELETE => {
                let [parent, _] = [fields.u64().map_err(short)?, fields.u64().map_err(short)?];
                let [length, _] = [fields.u32().map_err(short)?, fields.u32().map_err(short)?];
                named(parent, length, fields.0)
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

/// A name of so many bytes with a zero behind it.
fn named(parent: u64, length: u32, rest: &[u8]) -> Result<Notice<'_>> {
    let length = length as usize;
    match rest.split_last() {
        _ if length > NAME_MAX => Err(Errno::ENAMETOOLONG),
        Some((0, name)) if name.len() == length => Ok(Notice::Name { parent, name }),
        _ => Err(Errno::EINVAL),
    }
}
