//! The life of processes and threads: clone(2), execve(2), exit(2).

use super::{Call, paths, pidfd};
use crate::fs::cgroup;
use crate::process::files::release;
use crate::process::{self, CloneRequest, Process};
use crate::user_memory::{UserPtr, check_unknown, read_path, read_string};
use alloc::format;
use alloc::sync::Arc;
use core::cell::Cell;
use core::sync::atomic::Ordering;
use paddock_abi::fcntl::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use paddock_abi::process::{CSIGNAL, CloneFlags, PER_LINUX32, PER_MASK};
use paddock_abi::{Errno, Result};
use paddock_cgroup::{CgroupFs, Group};
use paddock_cred::Cap;
use paddock_mem::PAGE_SIZE;
use paddock_process::WaitStatus;
use paddock_process::stack::{MAX_STRING, Strings};
use paddock_vfs::{FileKind, OpenFlags, Path};

/// exit(2): the thread ends; with the last one the process.
pub fn exit(call: &mut Call<'_>) -> Result<u64> {
    // The first thread's code counts, whichever thread is the last to go.
    if call.thread.tid == call.process().pid {
        let code = call.word(0) as u8;
        call.process().exit_code.store(code, Ordering::Relaxed);
    }
    call.thread.leaving.store(true, Ordering::Release);
    call.thread.notify_self();
    Ok(0)
}

/// exit_group(2).
pub fn exit_group(call: &mut Call<'_>) -> Result<u64> {
    process::begin_exit(call.process(), WaitStatus::Exited(call.word(0) as u8));
    call.thread.notify_self();
    Ok(0)
}

/// clone(2), with arm64's order of arguments.
pub fn clone(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.word(0);
    let request = CloneRequest {
        flags: CloneFlags::from_bits(flags & !CSIGNAL).ok_or(Errno::EINVAL)?,
        exit_signal: (flags & CSIGNAL) as u32,
        stack: call.word(1),
        parent_tid: call.word(2),
        tls: call.word(3),
        child_tid: call.word(4),
        cgroup: None,
    };
    // One address for two numbers.
    let both = CloneFlags::PIDFD | CloneFlags::PARENT_SETTID;
    if request.flags.contains(both) {
        return Err(Errno::EINVAL);
    }
    let pidfd = request.parent_tid;
    start(call, &request, pidfd)
}

/// Makes the child; with `CLONE_PIDFD`, a descriptor of it is stored at `pidfd`.
fn start(call: &Call<'_>, request: &CloneRequest, pidfd: u64) -> Result<u64> {
    let flags = request.flags;
    if !flags.contains(CloneFlags::PIDFD) {
        let pid = process::clone(call.frame, request, &|_| Ok(()))?;
        return Ok(u64::from(pid.get()));
    }
    if flags.intersects(CloneFlags::DETACHED | CloneFlags::THREAD) {
        return Err(Errno::EINVAL);
    }
    let made = Cell::new(None);
    let announce = |child: &Arc<Process>| {
        let fd = pidfd::descriptor(call, child, OpenFlags::empty())?;
        made.set(Some(fd));
        UserPtr::<i32>::new(pidfd).write(&fd)
    };
    let pid = process::clone(call.frame, request, &announce).inspect_err(|_| {
        if let Some(entry) = made.take().and_then(|fd| call.take_descriptor(fd).ok()) {
            let _ = release(call.process(), entry);
        }
    });
    Ok(u64::from(pid?.get()))
}

/// Bytes of `struct clone_args`, the last version.
const CLONE_ARGS: u64 = 88;

/// clone3(2): without the choice of numbers (`ENOSYS`).
pub fn clone3(call: &mut Call<'_>) -> Result<u64> {
    let size = call.word(1);
    if size < 64 {
        return Err(Errno::EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    check_unknown(call.word(0), CLONE_ARGS, size)?;
    let [
        flags,
        pidfd,
        child_tid,
        parent_tid,
        exit_signal,
        stack,
        stack_size,
        tls,
    ] = call.pointer::<[u64; 8]>(0).read()?;
    let supported = CloneFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let has_signal_of_parent = supported.intersects(CloneFlags::THREAD | CloneFlags::PARENT);
    let both_ways = CloneFlags::SIGHAND | CloneFlags::CLEAR_SIGHAND;
    let both = CloneFlags::PIDFD | CloneFlags::PARENT_SETTID;
    let is_wrong = exit_signal > 64
        || supported.contains(CloneFlags::DETACHED)
        || supported.contains(both_ways)
        || supported.contains(both) && pidfd == parent_tid
        || has_signal_of_parent && exit_signal != 0
        || (stack == 0) != (stack_size == 0);
    if is_wrong {
        return Err(Errno::EINVAL);
    }
    if chooses_number(call, size)? {
        return Err(Errno::ENOSYS);
    }
    let request = CloneRequest {
        flags: supported,
        exit_signal: exit_signal as u32,
        stack: if stack == 0 {
            0
        } else {
            stack.checked_add(stack_size).ok_or(Errno::EINVAL)?
        },
        parent_tid,
        tls,
        child_tid,
        cgroup: into_cgroup(call, supported, size)?,
    };
    start(call, &request, pidfd)
}

/// Where `struct clone_args` has the numbers that the child is to get, in words.
const SET_TID_WORD: u64 = 8;
/// The most of them: a namespace has so many around it.
const MOST_TIDS: u64 = 32;

/// Whether the child is to get a number of the caller's choice.
///
/// # Errors
/// `EINVAL` for numbers without a count or the other way round; `EPERM` without
/// CAP_SYS_ADMIN.
fn chooses_number(call: &Call<'_>, size: u64) -> Result<bool> {
    if size < (SET_TID_WORD + 2) * 8 {
        return Ok(false);
    }
    let at: UserPtr<[u64; 2]> = UserPtr::new(call.word(0) + SET_TID_WORD * 8);
    let [numbers, count] = at.read()?;
    if count > MOST_TIDS || (numbers == 0) != (count == 0) {
        return Err(Errno::EINVAL);
    }
    if count > 0 {
        call.require(Cap::CAP_SYS_ADMIN)?;
    }
    Ok(count > 0)
}

/// Where `struct clone_args` has the descriptor of a cgroup, in words.
const CGROUP_WORD: u64 = 10;

/// The group that `CLONE_INTO_CGROUP` puts the child into, if there is that flag.
///
/// # Errors
/// `EINVAL` for a structure that is too short or a new thread, `EBADF` for another
/// file than the directory of a group, `EACCES`.
fn into_cgroup(call: &Call<'_>, flags: CloneFlags, size: u64) -> Result<Option<Arc<Group>>> {
    if !flags.contains(CloneFlags::INTO_CGROUP) {
        return Ok(None);
    }
    if size < (CGROUP_WORD + 1) * 8 || flags.contains(CloneFlags::THREAD) {
        return Err(Errno::EINVAL);
    }
    let fd = call.pointer::<u64>(0).at(CGROUP_WORD as usize)?.read()?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EINVAL)?;
    let file = call.file_of(fd)?;
    let inode = file.path().map(|path| path.inode());
    let group = inode.and_then(CgroupFs::group_of).ok_or(Errno::EBADF)?;
    let from = call.process().cgroup();
    let cred = call.thread.cred();
    cgroup::the_filesystem()?.check_move(&cred, &from, group)?;
    Ok(Some(group.clone()))
}

/// An array of strings that ends with a null pointer; null is none.
/// `E2BIG`, `EFAULT`, `ENOMEM`.
fn strings(array: UserPtr<u64>) -> Result<Strings> {
    let mut strings = Strings::new();
    if array.is_null() {
        return Ok(strings);
    }
    loop {
        let address = array.at(strings.len())?.read()?;
        if address == 0 {
            return Ok(strings);
        }
        strings.push(&read_string(address, MAX_STRING, Errno::E2BIG)?)?;
    }
}

/// execve(2).
pub fn execve(call: &mut Call<'_>) -> Result<u64> {
    let path = read_path(call.word(0))?;
    execute(call, &path, None, 1)
}

/// execveat(2).
pub fn execveat(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(4);
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_path(call.word(1))?;
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    let file = paths::place(call, 0, &path, flags & AT_EMPTY_PATH, follow)?;
    if file.inode().kind() == FileKind::Symlink {
        return Err(Errno::ELOOP);
    }
    if call.int(0) == AT_FDCWD || path.first() == Some(&b'/') {
        return execute(call, &path, Some(file), 2);
    }
    // What a script is called by its interpreter.
    let mut name = format!("/dev/fd/{}", call.int(0)).into_bytes();
    name.try_reserve(path.len() + 1)
        .map_err(|_| Errno::ENOMEM)?;
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(&path);
    }
    execute(call, &name, Some(file), 2)
}

/// Executes a program whose arguments and environment are arguments `first` and
/// the next of the call.
fn execute(call: &mut Call<'_>, path: &[u8], file: Option<Path>, first: usize) -> Result<u64> {
    let mut arguments = strings(call.pointer(first))?;
    let environment = strings(call.pointer(first + 1))?;
    if arguments.is_empty() {
        arguments.push(b"")?;
    }
    process::exec(call.frame, path, file, arguments, environment)?;
    // The new program starts with what execve put into its registers.
    call.thread.notify_self();
    Ok(call.frame.x[0])
}

/// personality(2): whether addresses are random, releases old, what is read executed and
/// timeouts left alone. The other bits are kept and told, as on Linux, where nothing of
/// this machine depends on them; the page at address zero is never mapped. `EINVAL` for that
/// of 32-bit programs, which the processor does not run.
pub fn personality(call: &mut Call<'_>) -> Result<u64> {
    /// Asks and changes nothing.
    const ASK: u32 = 0xffff_ffff;
    let personality = &call.process().personality;
    let before = match call.uint(0) {
        ASK => personality.load(Ordering::Relaxed),
        wanted if wanted & PER_MASK == PER_LINUX32 => return Err(Errno::EINVAL),
        wanted => personality.swap(wanted, Ordering::Relaxed),
    };
    Ok(u64::from(before))
}

/// set_tid_address(2).
pub fn set_tid_address(call: &mut Call<'_>) -> Result<u64> {
    call.thread.clear_tid.store(call.word(0), Ordering::Relaxed);
    Ok(u64::from(call.thread.number.get()))
}

/// Bytes of `struct robust_list_head`.
const ROBUST_HEAD: u64 = 24;

/// set_robust_list(2).
pub fn set_robust_list(call: &mut Call<'_>) -> Result<u64> {
    if call.word(1) != ROBUST_HEAD {
        return Err(Errno::EINVAL);
    }
    call.thread
        .robust_list
        .store(call.word(0), Ordering::Relaxed);
    Ok(0)
}
