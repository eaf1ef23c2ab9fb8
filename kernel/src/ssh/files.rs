//! The files that say who may log in. They are read whole, up to a bound, and
//! never opened: reading one cannot wait for a fifo's other end, nor touch a
//! device.

use crate::process::vfs::namespace;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_ssh::{BadLine, Once};
use paddock_sync::{Rank, SpinLock};
use paddock_vfs::{Access, FileKind, Metadata, Path, PathContext};

/// The most that is read of a file, in bytes.
const MAX_SIZE: usize = 1 << 20;
/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;
/// The most bad lines of one file that are named.
const MAX_BAD_LINES: usize = 16;

/// Files whose bad lines have been named, in the state they were in.
static NAMED: SpinLock<Once<64>> = SpinLock::new(Rank::Leaf, Once::new());

/// A file's bytes.
pub struct Contents {
    /// The bytes, or as many whole lines as fit.
    pub bytes: Vec<u8>,
    /// Where the file is.
    pub place: Path,
    metadata: Metadata,
    is_cut: bool,
}

/// What tells one state of a file from another: device, number, size, and the
/// time of the last change.
pub type State = [u64; 5];

fn state_of(metadata: &Metadata) -> State {
    let Metadata {
        device,
        ino,
        size,
        mtime,
        ..
    } = *metadata;
    [device, ino, size, mtime.seconds as u64, mtime.nanos.into()]
}

/// The state that a file is in. May sleep.
///
/// # Errors
/// Those of finding it.
pub fn state(context: &PathContext, path: &[u8]) -> Result<State> {
    let place = namespace().resolve(context, path, true)?;
    Ok(state_of(&place.inode().metadata()?))
}

impl Contents {
    /// The state that the file was in.
    pub fn state(&self) -> State {
        state_of(&self.metadata)
    }
}

/// Reads a file as the one whom `context` stands for. May sleep.
///
/// # Errors
/// `EINVAL` if it is no regular file; `ENOMEM`; those of finding and reading.
pub fn read(context: &PathContext, path: &[u8]) -> Result<Contents> {
    let place = namespace().resolve(context, path, true)?;
    let inode = place.inode();
    if inode.kind() != FileKind::Regular {
        return Err(Errno::EINVAL);
    }
    namespace().access(context, &place, Access::READ)?;
    let metadata = inode.metadata()?;
    let mut bytes = Vec::new();
    while bytes.len() < MAX_SIZE {
        let before = bytes.len();
        bytes.try_reserve(PIECE).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(before + PIECE, 0);
        let count = inode.read_at(before as u64, &mut (&mut bytes[before..]).into())?;
        bytes.truncate(before + count);
        if count == 0 {
            break;
        }
    }
    let is_cut = bytes.len() >= MAX_SIZE;
    if is_cut {
        let lines = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(lines.unwrap_or(0));
    }
    Ok(Contents {
        bytes,
        place,
        metadata,
        is_cut,
    })
}

/// The same, of a file that need not exist: no bytes then. One that cannot be
/// read is as if it was not there; that is said.
pub fn read_if_there(context: &PathContext, path: &[u8]) -> Option<Contents> {
    match read(context, path) {
        Ok(contents) => Some(contents),
        Err(Errno::ENOENT | Errno::ENOTDIR) => None,
        Err(error) => {
            let path = text(path);
            if NAMED
                .lock()
                .is_new(&[path.as_bytes(), error.name().as_bytes()])
            {
                log::warn!("ssh: {path} cannot be read: {}", describe(error));
            }
            None
        }
    }
}

/// Whether an error of [`read`] says nothing about the file itself.
pub fn is_unreadable(error: Errno) -> bool {
    !matches!(
        error,
        Errno::ENOENT
            | Errno::ENOTDIR
            | Errno::EACCES
            | Errno::EPERM
            | Errno::ELOOP
            | Errno::EINVAL
            | Errno::EISDIR
            | Errno::ENAMETOOLONG
    )
}

/// An error of [`read`] in words.
pub fn describe(error: Errno) -> &'static str {
    match error {
        Errno::EINVAL => "not a regular file",
        other => other.describe(),
    }
}

/// A path for the log.
pub fn text(path: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(path)
}

/// Bad lines of one file.
#[derive(Default)]
pub struct BadLines {
    first: Vec<BadLine>,
    more: usize,
}

impl BadLines {
    /// Takes one.
    pub fn add(&mut self, line: BadLine) {
        match self.first.len() < MAX_BAD_LINES && self.first.try_reserve(1).is_ok() {
            true => self.first.push(line),
            false => self.more += 1,
        }
    }

    /// Names them in the log, and that the file was too long; once for each
    /// state that the file is in.
    pub fn name(self, path: &[u8], contents: &Contents) {
        if self.first.is_empty() && !contents.is_cut {
            return;
        }
        let state = contents.state().map(u64::to_le_bytes);
        if !NAMED.lock().is_new(&[path, state.as_flattened()]) {
            return;
        }
        let path = text(path);
        for line in self.first {
            log::warn!("ssh: {path}:{line}");
        }
        if self.more > 0 {
            log::warn!("ssh: {path}: {} more bad lines", self.more);
        }
        if contents.is_cut {
            log::warn!("ssh: {path}: only the lines of the first {MAX_SIZE} bytes count");
        }
    }
}
