//! What both sides of a connection agree upon at its start (`FUSE_INIT`).

use crate::message::{Fields, Message};
use crate::opcode::Opcode;
use paddock_abi::{Errno, Result};

/// The protocol, and how much of it is spoken here.
const MAJOR: u32 = 7;
const MINOR: u32 = 31;
/// Before this some answers had other lengths.
const OLDEST: u32 = 12;
/// Before this the answer to `FUSE_INIT` was shorter.
const LONGER_SINCE: u32 = 23;
/// Bytes that are read ahead, as the program is told.
const READAHEAD: u32 = 128 << 10;
/// The most bytes of a file in one question or answer: with what is before them they go
/// through the kernel in one piece, in a splice(2) as well.
pub const MOST_DATA: usize = 60 << 10;
/// The least that a program takes at once.
const LEAST_DATA: u32 = 4096;
/// Bytes of `struct fuse_init_out`, and of what it was.
const INIT_OUT: usize = 64;
const SHORT_INIT_OUT: usize = 24;

bitflags::bitflags! {
    /// What one side can do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Abilities: u32 {
        const ASYNC_READ = 1;
        const BIG_WRITES = 1 << 5;
        /// `ENOSYS` to an opening means that none has to be asked for.
        const NO_OPEN = 1 << 17;
        const PARALLEL_DIROPS = 1 << 18;
        const MAX_PAGES = 1 << 22;
        const NO_OPENDIR = 1 << 24;
    }
}

/// What was agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most bytes that are written in one question.
    pub max_write: usize,
    /// The program need not be asked for each opening.
    pub may_have_no_open: bool,
    /// The same of directories.
    pub may_have_no_opendir: bool,
    /// It takes many forgotten nodes at once.
    pub forgets_many: bool,
}

/// The first question.
pub fn greeting() -> Message {
    Message::new(Opcode::Init, 0)
        .u32(MAJOR)
        .u32(MINOR)
        .u32(READAHEAD)
        .u32(Abilities::all().bits())
}

/// The most bytes of the answer to it.
pub const MOST_GREETING: usize = INIT_OUT;

/// The terms of an answer to it.
///
/// # Errors
/// `EIO` for another protocol, or one that is too old.
pub fn agreed(answer: &[u8]) -> Result<Terms> {
    let mut fields = Fields(answer);
    let [major, minor] = [fields.u32()?, fields.u32()?];
    let least = match minor < LONGER_SINCE {
        true => SHORT_INIT_OUT,
        false => INIT_OUT,
    };
    if major != MAJOR || minor < OLDEST || answer.len() < least {
        return Err(Errno::EIO);
    }
    let [_readahead, flags] = [fields.u32()?, fields.u32()?];
    let [_background, _threshold] = [fields.u16()?, fields.u16()?];
    let max_write = fields.u32()?;
    let abilities = Abilities::from_bits_truncate(flags);
    Ok(Terms {
        max_write: (max_write.max(LEAST_DATA) as usize).min(MOST_DATA),
        may_have_no_open: abilities.contains(Abilities::NO_OPEN),
        may_have_no_opendir: abilities.contains(Abilities::NO_OPENDIR),
        forgets_many: minor >= 16,
    })
}
