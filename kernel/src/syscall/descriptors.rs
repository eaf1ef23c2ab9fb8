//! Descriptors: close(2), dup(2), fcntl(2), ioctl(2), pipe(2).

use super::Call;
use super::socket::interfaces;
use super::{folder_events, leases, locks, memfd, namespaces, signal_io};
use crate::arch::user_access::{copy_from_user, copy_to_user};
use crate::process::accounts::with_pipe_payer;
use crate::process::files::release;
use crate::process::unshare_files;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use paddock_abi::fcntl::*;
use paddock_abi::termios::{FIOCLEX, FIONBIO, FIONCLEX};
use paddock_abi::{Errno, Result};
use paddock_process::{PipeEnd, pipe};
use paddock_vfs::{File, IoctlArg, OpenFile, OpenFlags};

/// close(2).
pub fn close(call: &mut Call<'_>) -> Result<u64> {
    let entry = call.take_descriptor(call.int(0))?;
    // What was begun is done: it is not made again.
    match release(call.process(), entry) {
        Err(error) if error.is_restart() => Err(Errno::EINTR),
        result => result.map(|()| 0),
    }
}

const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// close_range(2): threads of one process share their descriptors always (`EINVAL` for
/// one that unshares them).
pub fn close_range(call: &mut Call<'_>) -> Result<u64> {
    let (first, last, flags) = (call.uint(0) as usize, call.uint(1) as usize, call.uint(2));
    if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        unshare(call)?;
    }
    let files = call.files();
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        let mut table = files.lock();
        let highest = table.iter().map(|(fd, _)| fd as usize).max().unwrap_or(0);
        for fd in first..=last.min(highest) {
            // Numbers without a descriptor are passed over.
            let _ = table.set_close_on_exec(fd as i32, true);
        }
        return Ok(0);
    }
    loop {
        let taken = files.lock().take_in_range(first, last);
        match taken {
            // As on Linux, nobody is told what closing them came to.
            Some(entry) => drop(release(call.process(), entry)),
            None => return Ok(0),
        }
    }
}

/// The calling process's descriptors are no other's from now on. `EINVAL` with several
/// threads, `ENOMEM`.
pub fn unshare(call: &Call<'_>) -> Result<()> {
    let process = call.process();
    if process.threads.lock().len() > 1 {
        return Err(Errno::EINVAL);
    }
    unshare_files(process)
}

/// dup(2).
pub fn dup(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    Ok(call.install_from(file, false, 0)? as u64)
}

/// dup3(2).
pub fn dup3(call: &mut Call<'_>) -> Result<u64> {
    let (old, new) = (call.int(0), call.int(1));
    let flags = OpenFlags::from_bits(call.uint(2)).ok_or(Errno::EINVAL)?;
    if old == new || !OpenFlags::CLOEXEC.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let file = call.file(0)?;
    let limit = call.descriptor_limit();
    let files = call.files();
    let replaced = files
        .lock()
        .replace(new, file, flags.contains(OpenFlags::CLOEXEC), limit)?;
    if let Some(entry) = replaced {
        // dup3(2) tells nobody what closing it came to (dup(2), NOTES).
        let _ = release(call.process(), entry);
    }
    Ok(new as u64)
}

/// fcntl(2): what is wanted of a folder is told until its open file is closed. A descriptor
/// that is merely a place knows the commands about itself only (`EBADF`).
pub fn fcntl(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let (command, argument) = (call.uint(1), call.word(2));
    let about_itself = matches!(
        command,
        F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL
    );
    if !about_itself && file.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    match command {
        F_DUPFD => Ok(call.install_from(file, false, call.int(2))? as u64),
        F_DUPFD_CLOEXEC => Ok(call.install_from(file, true, call.int(2))? as u64),
        F_GETFD => {
            let files = call.files();
            let marked = files.lock().entry(call.int(0))?.close_on_exec;
            Ok(u64::from(marked))
        }
        F_SETFD => {
            let files = call.files();
            files
                .lock()
                .set_close_on_exec(call.int(0), argument as u32 & FD_CLOEXEC != 0)?;
            Ok(0)
        }
        F_GETFL => Ok(u64::from((file.flags() | OpenFlags::LARGEFILE).bits())),
        F_SETFL => {
            let flags = OpenFlags::from_bits_retain(argument as u32);
            let noatime = flags.difference(file.flags()).contains(OpenFlags::NOATIME);
            if noatime && let Some(path) = file.path() {
                let rights = path.inode().rights()?;
                call.thread.with_cred(|cred| cred.check_owner(&rights))?;
            }
            let wanted = flags.contains(OpenFlags::ASYNC);
            let has = file.flags().contains(OpenFlags::ASYNC);
            if wanted != has && signal_io::can_signal(&file) {
                signal_io::set_async(call, &file, call.int(0), wanted)?;
            }
            file.set_flags(flags);
            Ok(0)
        }
        F_SETLEASE => leases::set(call, &file, argument as u32),
        F_GETLEASE => leases::get(&file),
        F_GET_SEALS => memfd::get_seals(&file),
        F_ADD_SEALS => memfd::add_seals(&file, argument),
        F_NOTIFY => folder_events::notify(call, &file, argument as u32),
        F_GETPIPE_SZ | F_SETPIPE_SZ => pipe_size(&file, command, argument),
        command @ (F_GETLK | F_SETLK | F_SETLKW) => locks::fcntl(call, &file, command, argument),
        command @ (locks::F_OFD_GETLK..=locks::F_OFD_SETLKW) => {
            locks::fcntl(call, &file, command, argument)
        }
        _ => signal_io::fcntl(call, &file, command).unwrap_or(Err(Errno::EINVAL)),
    }
}

fn pipe_size(file: &OpenFile, command: u32, argument: u64) -> Result<u64> {
    let end = PipeEnd::of(&**file.file()).ok_or(Errno::EBADF)?;
    let size = usize::try_from(argument).map_err(|_| Errno::EINVAL)?;
    let result = match command {
        F_GETPIPE_SZ => Ok(end.capacity()),
        _ => with_pipe_payer(|payer| end.set_capacity(size, payer)),
    };
    result.map(|size| size as u64)
}

/// An ioctl's argument: a number, or an address in the caller's memory.
struct UserArg(u64);

impl UserArg {
    fn at(&self, offset: usize) -> Result<u64> {
        self.0.checked_add(offset as u64).ok_or(Errno::EFAULT)
    }
}

impl IoctlArg for UserArg {
    fn value(&self) -> u64 {
        self.0
    }

    fn read(&self, offset: usize, buf: &mut [u8]) -> Result<()> {
        copy_from_user(buf, self.at(offset)?)
    }

    fn write(&mut self, offset: usize, buf: &[u8]) -> Result<()> {
        copy_to_user(self.at(offset)?, buf)
    }
}

/// ioctl(2).
pub fn ioctl(call: &mut Call<'_>) -> Result<u64> {
    let file = call.usable_file(0)?;
    let files = call.files();
    match call.uint(1) {
        FIOCLEX => files
            .lock()
            .set_close_on_exec(call.int(0), true)
            .map(|()| 0),
        FIONCLEX => files
            .lock()
            .set_close_on_exec(call.int(0), false)
            .map(|()| 0),
        FIONBIO => {
            let on = UserPtr::<i32>::new(call.word(2)).read()? != 0;
            let flags = file.flags() - OpenFlags::NONBLOCK;
            file.set_flags(if on {
                flags | OpenFlags::NONBLOCK
            } else {
                flags
            });
            Ok(0)
        }
        command => match signal_io::ioctl(call, &file, command)
            .or_else(|| namespaces::ioctl(call, &file, command))
        {
            Some(result) => result,
            None => interfaces::ioctl(call, &file, command)
                .unwrap_or_else(|| file.ioctl(command, &mut UserArg(call.word(2)))),
        },
    }
}

/// pipe2(2).
pub fn pipe2(call: &mut Call<'_>) -> Result<u64> {
    let flags = OpenFlags::from_bits(call.uint(1)).ok_or(Errno::EINVAL)?;
    let known = OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT;
    if !known.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let (reader, writer) = with_pipe_payer(pipe)?;
    let read = install_end(call, reader, flags)?;
    let write = install_end(call, writer, flags | OpenFlags::WRONLY)
        .inspect_err(|_| drop(call.take_descriptor(read)))?;
    let stored = call.pointer::<[i32; 2]>(0).write(&[read, write]);
    stored.inspect_err(|_| {
        drop(call.take_descriptor(read));
        drop(call.take_descriptor(write));
    })?;
    Ok(0)
}

fn install_end(call: &Call<'_>, end: Arc<dyn File>, flags: OpenFlags) -> Result<i32> {
    if flags.contains(OpenFlags::DIRECT) {
        end.set_flags(flags);
    }
    call.install(OpenFile::new(end, None, flags)?, flags)
}
