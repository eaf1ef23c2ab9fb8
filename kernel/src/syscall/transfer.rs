//! From one file to another, and to the disk: sendfile(2), fsync(2),
//! ftruncate(2), fallocate(2).

use super::block::block_on;
use super::buffers::{MAX_BYTES, with_chunk};
use super::io::{allowed_length, remove_privileges};
use super::{Call, limits};
use crate::process::signal_pending;
use crate::process::vfs::namespace;
use paddock_abi::{Errno, Result};
use paddock_sync::Ready;
use paddock_vfs::{Allocation, FileKind, OpenFile, OpenFlags, PAGE_SIZE};

/// Pages that one readahead(2) reads at the most.
const READ_AHEAD: u64 = 512;

/// sendfile(2).
pub fn sendfile(call: &mut Call<'_>) -> Result<u64> {
    let (output, input) = (call.file(0)?, call.file(1)?);
    input.check_read(None)?;
    output.check_write(None)?;
    if !input.file().seekable() && call.word(2) != 0 {
        return Err(Errno::ESPIPE);
    }
    if !input.file().seekable() || output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EINVAL);
    }
    input.ask_read()?;
    let place = call.pointer::<u64>(2).non_null();
    let mut offset = match place {
        Some(place) => place.read()?,
        None => input.seek(0, paddock_abi::fcntl::SEEK_CUR)?,
    };
    let count = call.word(3).min(MAX_BYTES);
    let count = allowed_length(call, &output, None, count)?;
    remove_privileges(call, &output)?;
    let sent = copy(&output, &input, &mut offset, count);
    match place {
        Some(place) => place.write(&offset)?,
        None => {
            input.seek(offset as i64, paddock_abi::fcntl::SEEK_SET)?;
        }
    }
    sent
}

/// Copies up to `count` bytes; short where the input ends or the output would
/// block.
fn copy(output: &OpenFile, input: &OpenFile, offset: &mut u64, count: u64) -> Result<u64> {
    with_chunk(count, |chunk| {
        let mut total = 0;
        while total < count {
            let want = (count - total).min(chunk.len() as u64) as usize;
            let got = input.pread(*offset, &mut (&mut chunk[..want]).into())?;
            let mut done = 0;
            while done < got {
                // An output may take few bytes at a time, and the input have no end.
                if signal_pending() {
                    match total + done as u64 {
                        0 => return Err(Errno::ERESTARTSYS),
                        _ => break,
                    }
                }
                let write = || output.write(&chunk[done..got]);
                match block_on(output, Ready::OUT, output.nonblocking(), write) {
                    Ok(written) => done += written,
                    Err(_) if total + done as u64 > 0 => break,
                    Err(error) => return Err(error),
                }
            }
            *offset += done as u64;
            total += done as u64;
            if got == 0 || done < got {
                break;
            }
        }
        Ok(total)
    })
}

/// fsync(2).
pub fn fsync(call: &mut Call<'_>) -> Result<u64> {
    call.file(0)?.sync()?;
    Ok(0)
}

/// fdatasync(2).
pub fn fdatasync(call: &mut Call<'_>) -> Result<u64> {
    call.file(0)?.sync_data()?;
    Ok(0)
}

/// sync(2), which tells nobody what went wrong: fsync(2) and syncfs(2) do.
pub fn sync(_: &mut Call<'_>) -> Result<u64> {
    let _ = namespace().sync();
    Ok(0)
}

/// syncfs(2).
pub fn syncfs(call: &mut Call<'_>) -> Result<u64> {
    call.file(0)?.sync_all()?;
    Ok(0)
}

/// sync_file_range(2): more than is asked for reaches the disk, never less.
pub fn sync_file_range(call: &mut Call<'_>) -> Result<u64> {
    /// `SYNC_FILE_RANGE_WAIT_BEFORE`, `_WRITE` and `_WAIT_AFTER`.
    const KNOWN: u32 = 7;
    let file = call.file(0)?;
    let (offset, length) = (call.word(1) as i64, call.word(2) as i64);
    if call.uint(3) & !KNOWN != 0
        || offset < 0
        || offset.checked_add(length).is_none_or(|end| end < offset)
    {
        return Err(Errno::EINVAL);
    }
    match file.metadata()?.kind {
        FileKind::Regular | FileKind::Directory | FileKind::BlockDevice => {}
        _ => return Err(Errno::ESPIPE),
    }
    if call.uint(3) != 0 {
        file.sync_data()?;
    }
    Ok(0)
}

/// readahead(2): the pages are read now.
pub fn readahead(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    if !file.flags().readable() {
        return Err(Errno::EBADF);
    }
    let regular = file
        .inode()
        .filter(|inode| inode.kind() == FileKind::Regular);
    let inode = regular.ok_or(Errno::EINVAL)?;
    let first = call.word(1) / PAGE_SIZE as u64;
    let size = inode.metadata()?.size.div_ceil(PAGE_SIZE as u64);
    let pages = call.word(2).div_ceil(PAGE_SIZE as u64).min(READ_AHEAD);
    for index in first..first.saturating_add(pages).min(size) {
        // What cannot be had is said when it is read.
        if inode.page(index, false).is_err() {
            break;
        }
    }
    Ok(0)
}

/// ftruncate(2).
pub fn ftruncate(call: &mut Call<'_>) -> Result<u64> {
    let (file, size) = (call.file(0)?, length(call.word(1))?);
    limits::new_file_size(call, file.metadata()?.size, size)?;
    remove_privileges(call, &file)?;
    file.truncate(size)?;
    Ok(0)
}

/// truncate(2).
pub fn truncate(call: &mut Call<'_>) -> Result<u64> {
    let (context, path) = (call.context(), call.path(0)?);
    let at = namespace().resolve(&context, &path, true)?;
    let size = length(call.word(1))?;
    limits::new_file_size(call, at.inode().metadata()?.size, size)?;
    namespace().truncate(&context, &at, size)?;
    Ok(0)
}

fn length(value: u64) -> Result<u64> {
    if i64::try_from(value).is_ok() {
        Ok(value)
    } else {
        Err(Errno::EINVAL)
    }
}

/// fallocate(2): sets space aside, punches holes and zeroes; `EOPNOTSUPP` for
/// what moves data.
pub fn fallocate(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let (offset, len) = (length(call.word(2))?, length(call.word(3))?);
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let what = Allocation::from_mode(call.uint(1))?;
    if what.may_grow() {
        limits::new_file_size(call, file.metadata()?.size, offset.saturating_add(len))?;
    }
    file.allocate(what, offset, len)?;
    Ok(0)
}

/// fadvise64(2): advice that there is no use for here.
pub fn fadvise64(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    if !file.file().seekable() {
        return Err(Errno::ESPIPE);
    }
    if call.uint(3) > 5 || (call.word(2) as i64) < 0 {
        Err(Errno::EINVAL)
    } else {
        Ok(0)
    }
}
