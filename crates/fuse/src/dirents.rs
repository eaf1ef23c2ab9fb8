//! Entries of a directory, as the program lists them (`struct fuse_dirent`).

use crate::message::Fields;
use paddock_abi::{Errno, Result, dirent};
use paddock_vfs::FileKind;

/// Bytes before a name.
const HEAD: usize = 24;
/// The longest name that getdents64(2) tells.
const NAME_MAX: usize = 255;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirent<'a> {
    pub ino: u64,
    /// Where the next one begins.
    pub next: u64,
    pub kind: Option<FileKind>,
    pub name: &'a [u8],
}

const fn kind(code: u32) -> Option<FileKind> {
    Some(match code as u8 {
        dirent::DT_REG => FileKind::Regular,
        dirent::DT_DIR => FileKind::Directory,
        dirent::DT_LNK => FileKind::Symlink,
        dirent::DT_FIFO => FileKind::Fifo,
        dirent::DT_SOCK => FileKind::Socket,
        dirent::DT_CHR => FileKind::CharDevice,
        dirent::DT_BLK => FileKind::BlockDevice,
        _ => return None,
    })
}

/// Takes the first entry off `bytes`; `None` at the end, and before one that is cut off.
///
/// # Errors
/// `EIO` for a name that is none.
pub fn next<'a>(bytes: &mut &'a [u8]) -> Result<Option<Dirent<'a>>> {
    if bytes.len() < HEAD {
        return Ok(None);
    }
    let mut fields = Fields(bytes);
    let [ino, next] = [fields.u64()?, fields.u64()?];
    let (length, code) = (fields.u32()? as usize, fields.u32()?);
    if length == 0 || length > NAME_MAX {
        return Err(Errno::EIO);
    }
    let padded = (HEAD + length).next_multiple_of(8);
    if padded > bytes.len() {
        return Ok(None);
    }
    let name = fields.take(length)?;
    if name.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Err(Errno::EIO);
    }
    *bytes = &bytes[padded..];
    Ok(Some(Dirent {
        ino,
        next,
        kind: kind(code),
        name,
    }))
}
