//! Descriptors of processes: pidfd_open(2), pidfd_send_signal(2),
//! pidfd_getfd(2), process_madvise(2), process_mrelease(2).

use super::Call;
use super::buffers::UserBuffers;
use super::signals;
use crate::fs::proc::of_directory;
use crate::process::identity::may_inspect;
use crate::process::numbers;
use crate::process::{Process, tree};
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering::Acquire;
use paddock_abi::mman::{MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED};
use paddock_abi::signal::Siginfo;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::{NO_DEADLINE, Pollable, Ready, WaitQueue, try_arc};
use paddock_vfs::{File, Metadata, OpenFile, OpenFlags};

/// A process, by a name that never comes to mean another.
struct PidFile(Arc<Process>);

impl Pollable for PidFile {
    fn ready(&self) -> Ready {
        match self.0.has_exited.load(Acquire) {
            true => Ready::IN,
            false => Ready::empty(),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.exited)
    }
}

impl File for PidFile {
    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("[pidfd]")
    }

    fn info(&self, put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>) -> Result<()> {
        let number = match self.0.has_exited.load(Acquire) {
            true => -1,
            false => numbers::known(self.0.pid).get() as i32,
        };
        put(format_args!("Pid:\t{number}\n"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The process that `file` is of. `EBADF` for any other file.
pub fn process_of(file: &OpenFile) -> Result<&Arc<Process>> {
    let file = file.file().as_any().downcast_ref::<PidFile>();
    file.map(|file| &file.0).ok_or(Errno::EBADF)
}

/// `ESRCH` if a process has ended.
pub fn check_alive(process: &Process) -> Result<()> {
    match process.has_exited.load(Acquire) {
        true => Err(Errno::ESRCH),
        false => Ok(()),
    }
}

/// pidfd_open(2).
pub fn pidfd_open(call: &mut Call<'_>) -> Result<u64> {
    let flags = OpenFlags::from_bits(call.uint(1)).ok_or(Errno::EINVAL)?;
    let pid = u32::try_from(call.int(0)).ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or(Errno::EINVAL)?;
    if !OpenFlags::NONBLOCK.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let pid = call.find_number(pid).ok_or(Errno::ESRCH)?;
    let process = {
        let tree = tree().lock();
        match tree.get(pid) {
            Some(process) => process,
            // A thread that leads no process.
            None if tree.process_of(pid).is_some() => return Err(Errno::EINVAL),
            None => return Err(Errno::ESRCH),
        }
    };
    Ok(descriptor(call, &process, flags)? as u64)
}

/// A descriptor of a process, closed by execve(2). `EMFILE`, `ENOMEM`.
pub fn descriptor(call: &Call<'_>, process: &Arc<Process>, flags: OpenFlags) -> Result<i32> {
    let file = open_file(process, flags)?;
    call.install(file, flags | OpenFlags::CLOEXEC)
}

/// The open file of such a descriptor. `ENOMEM`.
pub fn open_file(process: &Arc<Process>, flags: OpenFlags) -> Result<Arc<OpenFile>> {
    let file = try_arc(PidFile(process.clone()))?;
    OpenFile::new(file, None, flags | OpenFlags::RDWR)
}

/// process_madvise(2): what changes nothing but speed.
pub fn process_madvise(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(4) != 0 {
        return Err(Errno::EINVAL);
    }
    let pieces = UserBuffers::vector(call.pointer(1), call.word(2))?;
    let file = call.file(0)?;
    let process = process_of(&file)?;
    let advice = call.uint(3);
    if ![MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED].contains(&advice) {
        return Err(Errno::EINVAL);
    }
    may_inspect(process)?;
    let memory = process.memory()?;
    call.require(Cap::CAP_SYS_NICE)?;
    let mut done = 0;
    for piece in pieces.pieces().0 {
        let mut space = memory.space.lock();
        match space.advise(piece.iov_base, piece.iov_len, advice) {
            Err(_) if done > 0 => break,
            result => result?,
        }
        done += piece.iov_len;
    }
    Ok(done)
}

/// process_mrelease(2): waits until a process that has been killed has given its
/// memory back, which it does before others run.
pub fn process_mrelease(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(1) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = call.file(0)?;
    let process = process_of(&file)?;
    process.memory()?;
    if !process.signals.lock().is_killed() {
        return Err(Errno::EINVAL);
    }
    process.hasten();
    let given_back = || process.has_exited.load(Acquire).then_some(());
    let waited = process.exited.wait_interruptible(NO_DEADLINE, given_back);
    waited.map(|()| 0).map_err(|_| Errno::ERESTARTSYS)
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(call: &mut Call<'_>) -> Result<u64> {
    let (signal, place) = (call.uint(1), call.pointer::<Siginfo>(2));
    if call.uint(3) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = call.file(0)?;
    // Its directory in /proc names it as well.
    let process = process_of(&file).or_else(|error| of_directory(&file).ok_or(error))?;
    // Its number may be another's by now.
    let there = tree().lock().get(process.pid);
    if !there.is_some_and(|there| Arc::ptr_eq(&there, process)) {
        return Err(Errno::ESRCH);
    }
    signals::send_to(call, process, signal, place)
}

/// pidfd_getfd(2).
pub fn pidfd_getfd(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = call.file(0)?;
    let process = process_of(&file)?;
    may_inspect(process).map_err(|_| Errno::EPERM)?;
    check_alive(process)?;
    let theirs = process.files().lock().get(call.int(1))?;
    Ok(call.install(theirs, OpenFlags::CLOEXEC)? as u64)
}
