//! Reading and writing: read(2), readv(2), pread(2), lseek(2) and their kin.

use super::Call;
use super::block::block_until;
use super::buffers::UserBuffers;
use super::limits;
use super::socket;
use crate::process;
use crate::process::object::{RLIMIT_FSIZE, UNLIMITED};
use crate::time;
use alloc::sync::Arc;
use paddock_abi::fcntl::{RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC, SEEK_CUR};
use paddock_abi::signal::{SIGPIPE, Siginfo};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::{Deadline, Ready};
use paddock_tty::TtyFile;
use paddock_user_io::UserReader;
use paddock_vfs::{FileKind, OpenFile, OpenFlags, Path, SetMetadata};

/// read(2).
pub fn read(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    read_into(&file, UserBuffers::single(call.word(1), call.word(2)), None)
}

/// write(2).
pub fn write(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    write_from(
        call,
        &file,
        UserBuffers::single(call.word(1), call.word(2)),
        None,
    )
}

/// readv(2).
pub fn readv(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    read_into(
        &file,
        UserBuffers::vector(call.pointer(1), call.word(2))?,
        None,
    )
}

/// writev(2).
pub fn writev(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let buffers = UserBuffers::vector(call.pointer(1), call.word(2))?;
    write_from(call, &file, buffers, None)
}

/// pread64(2).
pub fn pread64(call: &mut Call<'_>) -> Result<u64> {
    let offset = offset(call.word(3))?;
    let file = call.file(0)?;
    read_into(
        &file,
        UserBuffers::single(call.word(1), call.word(2)),
        Some(offset),
    )
}

/// pwrite64(2).
pub fn pwrite64(call: &mut Call<'_>) -> Result<u64> {
    let offset = offset(call.word(3))?;
    let file = call.file(0)?;
    let buffers = UserBuffers::single(call.word(1), call.word(2));
    write_from(call, &file, buffers, Some(offset))
}

/// preadv(2).
pub fn preadv(call: &mut Call<'_>) -> Result<u64> {
    let offset = offset(call.word(3))?;
    let file = call.file(0)?;
    read_into(
        &file,
        UserBuffers::vector(call.pointer(1), call.word(2))?,
        Some(offset),
    )
}

/// pwritev(2).
pub fn pwritev(call: &mut Call<'_>) -> Result<u64> {
    let offset = offset(call.word(3))?;
    let file = call.file(0)?;
    let buffers = UserBuffers::vector(call.pointer(1), call.word(2))?;
    write_from(call, &file, buffers, Some(offset))
}

/// preadv2(2): with `RWF_NOWAIT` of pipes and sockets alone (`EOPNOTSUPP`); offset -1 is
/// the file's own.
pub fn preadv2(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(5) & RWF_NOWAIT != 0 {
        return read_nowait(call);
    }
    flags(call)?;
    if call.word(3) == u64::MAX {
        readv(call)
    } else {
        preadv(call)
    }
}

fn read_nowait(call: &Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let waits = matches!(file.metadata()?.kind, FileKind::Fifo | FileKind::Socket);
    if !waits || call.uint(5) & !(RWF_NOWAIT | RWF_HIPRI) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let at = match call.word(3) {
        u64::MAX => None,
        at => Some(offset(at)?),
    };
    let buffers = UserBuffers::vector(call.pointer(1), call.word(2))?;
    read_or_wait(&file, buffers, at, false)
}

/// pwritev2(2): without `RWF_NOWAIT` (`EOPNOTSUPP`).
pub fn pwritev2(call: &mut Call<'_>) -> Result<u64> {
    let flags = flags(call)?;
    let at = match call.word(3) {
        u64::MAX => None,
        at => Some(offset(at)?),
    };
    let file = call.file(0)?;
    let buffers = UserBuffers::vector(call.pointer(1), call.word(2))?;
    write_as(call, &file, buffers, at, flags)
}

/// Writes as flags of pwritev2(2) say, which are known.
pub fn write_as(
    call: &Call<'_>,
    file: &Arc<OpenFile>,
    buffers: UserBuffers,
    at: Option<u64>,
    flags: u32,
) -> Result<u64> {
    let count = match flags & RWF_APPEND {
        0 => write_from(call, file, buffers, at),
        _ => append_from(call, file, buffers, at),
    }?;
    if flags & (RWF_SYNC | RWF_DSYNC) != 0 && file.is_regular() && count > 0 {
        match flags & RWF_SYNC {
            0 => file.sync_data()?,
            _ => file.sync()?,
        }
    }
    Ok(count)
}

/// The flags of preadv2(2) and pwritev2(2); polling for the end is for what does not
/// go through the cache. `EOPNOTSUPP`.
fn flags(call: &Call<'_>) -> Result<u32> {
    let known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND;
    match call.uint(5) {
        flags if flags & !known == 0 => Ok(flags),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// Writes at a file's end, whatever offset is given; the file's own moves there if
/// there is none given.
fn append_from(
    call: &Call<'_>,
    file: &Arc<OpenFile>,
    buffers: UserBuffers,
    at: Option<u64>,
) -> Result<u64> {
    if !file.is_regular() {
        return write_from(call, file, buffers, at);
    }
    file.check_write(at)?;
    let mut from = buffers.reader();
    remove_privileges(call, file)?;
    let end = file.metadata()?.size;
    let allowed = allowed_length(call, file, Some(end), from.left() as u64)?;
    from.limit(allowed as usize);
    let mut own = at.is_none().then(|| file.offset());
    let mut total = 0;
    while !from.is_empty() {
        match file.append_at(own.as_mut(), &mut from) {
            Ok(0) => break,
            Ok(count) => total += count as u64,
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        }
    }
    call.thread.io.count_write(total, is_on_disk(file));
    Ok(total)
}

fn offset(value: u64) -> Result<u64> {
    if i64::try_from(value).is_ok() {
        Ok(value)
    } else {
        Err(Errno::EINVAL)
    }
}

/// lseek(2).
pub fn lseek(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    file.seek(call.word(1) as i64, call.uint(2))
}

/// Until when a read waits, and whether it then finds nothing rather than
/// fail: terminals and sockets can be set to give up.
fn read_deadline(file: &OpenFile) -> (u64, bool) {
    let terminal = file.file().as_any().downcast_ref::<TtyFile>();
    match terminal.and_then(|file| file.tty().read_timeout()) {
        Some(timeout) if timeout > 0 => (time::now().saturating_add(timeout), true),
        _ => (socket::receive_deadline(file), false),
    }
}

/// Reads until the buffers are full, the file ends, or it would block after
/// the first bytes.
#[inline]
pub fn read_into(file: &Arc<OpenFile>, buffers: UserBuffers, at: Option<u64>) -> Result<u64> {
    read_or_wait(file, buffers, at, !file.nonblocking())
}

/// The same for a file that is waited for or not, whatever its flags say.
#[inline]
fn read_or_wait(
    file: &Arc<OpenFile>,
    buffers: UserBuffers,
    at: Option<u64>,
    waits: bool,
) -> Result<u64> {
    file.check_read(at)?;
    file.ask_read()?;
    let mut timed = false;
    let deadline = || {
        let (deadline, gives_up) = read_deadline(file);
        timed = gives_up;
        deadline
    };
    let mut to = buffers.writer();
    let mut own = at.is_none().then(|| file.offset());
    let read = || match &mut own {
        Some(own) => file.read_at(own, &mut to),
        None => file.pread(at.unwrap_or(0), &mut to),
    };
    match block_until(file, Ready::IN, !waits, deadline, read) {
        Err(Errno::EAGAIN) if timed && waits => Ok(0),
        Ok(count) => {
            if let Some(thread) = process::current() {
                thread.io.count_read(count as u64);
            }
            Ok(count as u64)
        }
        Err(error) => Err(error),
    }
}

/// Writes all of the buffers, or as much as goes before something is in the
/// way. A broken pipe also sends `SIGPIPE`.
pub fn write_from(
    call: &Call<'_>,
    file: &Arc<OpenFile>,
    buffers: UserBuffers,
    at: Option<u64>,
) -> Result<u64> {
    // A socket has no name that it could be opened by.
    if at.is_none() && file.path().is_none() && socket::carries_messages(file) {
        return socket::write(call, file, buffers);
    }
    // Before anything is copied in: a bad descriptor wins over a bad address.
    file.check_write(at)?;
    let mut from = buffers.reader();
    remove_privileges(call, file)?;
    let allowed = allowed_length(call, file, at, from.left() as u64)?;
    from.limit(allowed as usize);
    let deadline = || socket::send_deadline(file);
    let mut own = at.is_none().then(|| file.offset());
    let write = |from: &mut UserReader<'_>, done: u64| match &mut own {
        Some(own) => file.write_at(own, from),
        None => file.pwrite(at.unwrap_or(0) + done, from),
    };
    let result = write_with(file, file.nonblocking(), deadline, &mut from, write);
    drop(own);
    match result {
        Err(Errno::EPIPE) => broken_pipe(call),
        Ok(count) => call.thread.io.count_write(count, is_on_disk(file)),
        Err(_) => {}
    }
    result
}

/// Whether what is written to it comes to a disk.
fn is_on_disk(file: &OpenFile) -> bool {
    let of_disk = |path: &Path| path.mount().fs().has_disk();
    file.is_regular() && file.path().is_some_and(of_disk)
}

/// Who writes a file takes its set-user-id and set-group-id bits away, but for
/// those with CAP_FSETID.
pub fn remove_privileges(call: &Call<'_>, file: &OpenFile) -> Result<()> {
    let Some(path) = file.path().filter(|_| file.is_regular()) else {
        return Ok(());
    };
    if call.capable(Cap::CAP_FSETID) {
        return Ok(());
    }
    let rights = path.inode().rights()?;
    match call.thread.with_cred(|cred| cred.written_mode(&rights)) {
        None => Ok(()),
        mode => path.inode().set_metadata(&SetMetadata {
            mode,
            ..SetMetadata::default()
        }),
    }
}

/// How much of `length` bytes `RLIMIT_FSIZE` lets be written at `at`, or where the file stands.
/// `EFBIG`.
pub fn allowed_length(
    call: &Call<'_>,
    file: &OpenFile,
    at: Option<u64>,
    length: u64,
) -> Result<u64> {
    if !file.is_regular() || call.process().limit(RLIMIT_FSIZE) == UNLIMITED {
        return Ok(length);
    }
    let position = match at {
        _ if file.flags().contains(OpenFlags::APPEND) => file.metadata()?.size,
        Some(offset) => offset,
        None => file.seek(0, SEEK_CUR)?,
    };
    limits::file_size(call, position, length)
}

/// Sends `SIGPIPE` to the calling thread.
pub fn broken_pipe(call: &Call<'_>) {
    let info = Siginfo::kernel(SIGPIPE);
    let _ = process::send_to_thread(call.process(), call.thread.tid, &info);
}

/// Feeds bytes to `write`, which is told how much went before, until it takes no more,
/// or has to wait longer than until `deadline`, which is asked for then.
pub fn write_with(
    file: &Arc<OpenFile>,
    nonblocking: bool,
    deadline: impl Fn() -> Deadline,
    from: &mut UserReader<'_>,
    mut write: impl FnMut(&mut UserReader<'_>, u64) -> Result<usize>,
) -> Result<u64> {
    let mut total = 0;
    let mut until = None;
    loop {
        let tried = || write(from, total);
        let until = || *until.get_or_insert_with(&deadline);
        match block_until(file, Ready::OUT, nonblocking, until, tried) {
            Ok(0) => return Ok(total),
            Ok(count) => total += count as u64,
            Err(_) if total > 0 => return Ok(total),
            Err(error) => return Err(error),
        }
        if from.is_empty() {
            return Ok(total);
        }
    }
}
