//! Directories: getdents64(2), getcwd(2).

use super::Call;
use super::buffers::UserBuffers;
use crate::arch::user_access::copy_to_user;
use crate::process::vfs::namespace;
use alloc::vec::Vec;
use core::cell::RefCell;
use paddock_abi::dirent::{DT_UNKNOWN, put_dirent64};
use paddock_abi::{Errno, Result};
use paddock_vfs::{DirEntry, FileKind, OpenFile};

/// The most bytes of entries that one call gives.
const MAX_ENTRIES: u64 = 32768;

/// getdents64(2).
pub fn getdents64(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    // A folder that is removed has no names, not even its own.
    if file
        .path()
        .is_some_and(|path| path.is_dir() && path.is_removed())
    {
        return Err(Errno::ENOENT);
    }
    file.ask_read()?;
    let size = call.word(2).min(MAX_ENTRIES) as usize;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(size, 0);
    let used = match give_entries(&file, call.word(1), &mut buffer) {
        // Those that go where there is memory.
        Err((Errno::EFAULT, good)) if good > 0 => {
            give_entries(&file, call.word(1), &mut buffer[..good]).map_err(|_| Errno::EFAULT)
        }
        result => result.map_err(|(error, _)| error),
    };
    used.map(|used| used as u64)
}

/// Entries on their way to a program.
struct Entries<'a> {
    buffer: &'a mut [u8],
    used: usize,
    /// One did not fit.
    refused: bool,
}

/// Gives the next entries that fit in `buffer`, and through it to `place`; their bytes.
/// `EINVAL` if the first does not fit; `EFAULT`, with the bytes there is memory for:
/// then none is taken.
fn give_entries(
    file: &OpenFile,
    place: u64,
    buffer: &mut [u8],
) -> core::result::Result<usize, (Errno, usize)> {
    let entries = RefCell::new(Entries {
        buffer,
        used: 0,
        refused: false,
    });
    let mut good = 0;
    let mut emit = |entry: &DirEntry<'_>| {
        let entries = &mut *entries.borrow_mut();
        let room = &mut entries.buffer[entries.used..];
        let kind = entry.kind.map_or(DT_UNKNOWN, FileKind::dirent_type);
        let written = put_dirent64(room, entry.ino, entry.next, kind, entry.name);
        entries.used += written.unwrap_or(0);
        entries.refused |= written.is_none();
        written.is_some()
    };
    let give = || {
        let entries = entries.borrow();
        let bytes = &entries.buffer[..entries.used];
        match (bytes.is_empty(), entries.refused) {
            (true, true) => return Err(Errno::EINVAL),
            (true, false) => return Ok(()),
            _ => {}
        }
        let place = UserBuffers::single(place, bytes.len() as u64);
        good = place.writer().copy_out(bytes)?;
        match good == bytes.len() {
            true => Ok(()),
            false => Err(Errno::EFAULT),
        }
    };
    let given = file.readdir_into(&mut emit, give);
    given.map_err(|error| (error, good))?;
    let used = entries.borrow().used;
    Ok(used)
}

/// getcwd(2): the length, with the zero byte.
pub fn getcwd(call: &mut Call<'_>) -> Result<u64> {
    let context = call.context();
    if context.base.is_removed() {
        return Err(Errno::ENOENT);
    }
    let mut path = namespace().path_of(&context.base, &context.root)?;
    path.push(0);
    if path.len() as u64 > call.word(1) {
        return Err(Errno::ERANGE);
    }
    copy_to_user(call.word(0), &path)?;
    Ok(path.len() as u64)
}
