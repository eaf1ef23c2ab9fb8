//! Calls on memory.

use super::{BAD, CLOSED, NONE, Outcome, refused};
use crate::report::Report;
use crate::sys::{Map, call};

pub fn run(report: &mut Report) -> Outcome {
    let map = Map::memory(4 * 4096)?;
    let at = map.start.addr();
    let file = call!(libc::open(
        c"m".as_ptr(),
        libc::O_RDWR | libc::O_CREAT,
        0o644
    ))?;
    let read_only = call!(libc::open(c"m".as_ptr(), libc::O_RDONLY))?;
    let written = call!(libc::open(c"m".as_ptr(), libc::O_WRONLY))?;
    let folder = call!(libc::open(c".".as_ptr(), libc::O_RDONLY))?;
    let (shared, private) = (libc::MAP_SHARED, libc::MAP_PRIVATE);
    let anonymous = private | libc::MAP_ANONYMOUS;
    let gone = {
        let gone = Map::memory(2 * 4096)?;
        gone.start.addr()
    };
    refused!(report;
        "no length": SYS_mmap(NONE, 0, 1, anonymous, -1, 0) => EINVAL;
        "neither kind": SYS_mmap(NONE, 4096, 1, libc::MAP_ANONYMOUS, -1, 0) => EINVAL;
        "an odd offset": SYS_mmap(NONE, 4096, 1, private, file, 1) => EINVAL;
        "a closed one": SYS_mmap(NONE, 4096, 1, private, CLOSED, 0) => EBADF;
        "too much": SYS_mmap(NONE, isize::MAX, 1, anonymous, -1, 0) => ENOMEM;
        "to write what is read": SYS_mmap(NONE, 4096, 3, shared, read_only, 0) => EACCES;
        "what is only written": SYS_mmap(NONE, 4096, 1, private, written, 0) => EACCES;
        "a folder": SYS_mmap(NONE, 4096, 1, private, folder, 0) => ENODEV;
        "an odd address": SYS_mmap(at + 1, 4096, 1, anonymous | libc::MAP_FIXED, -1, 0) => EINVAL;
        "what is taken": SYS_mmap(at, 4096, 1, anonymous | libc::MAP_FIXED_NOREPLACE, -1, 0) => EEXIST;
        "an odd address": SYS_munmap(at + 1, 4096) => EINVAL;
        "no length": SYS_munmap(at, 0) => EINVAL;
        "beyond the end": SYS_munmap(at, usize::MAX - 8191) => EINVAL;
        "an odd address": SYS_mprotect(at + 1, 4096, 1) => EINVAL;
        "nothing there": SYS_mprotect(gone, 4096, 1) => ENOMEM;
        "an unknown right": SYS_mprotect(at, 4096, 0x100) => EINVAL;
        "both ways to grow": SYS_mprotect(at, 4096, 0x0300_0000) => EINVAL;
        "an odd address": SYS_mremap(at + 1, 4096, 8192, 0, 0) => EINVAL;
        "no new length": SYS_mremap(at, 4096, 0, 0, 0) => EINVAL;
        "an unknown flag": SYS_mremap(at, 4096, 8192, 8, 0) => EINVAL;
        "fixed where it may not move": SYS_mremap(at, 4096, 4096, 2, at) => EINVAL;
        "nothing there": SYS_mremap(gone, 4096, 8192, 1, 0) => EFAULT;
        "onto itself": SYS_mremap(at, 8192, 8192, 3, at + 4096) => EINVAL;
        "an odd address": SYS_msync(at + 1, 4096, libc::MS_SYNC) => EINVAL;
        "both ways": SYS_msync(at, 4096, libc::MS_SYNC | libc::MS_ASYNC) => EINVAL;
        "an unknown flag": SYS_msync(at, 4096, 8) => EINVAL;
        "nothing there": SYS_msync(gone, 4096, libc::MS_SYNC) => ENOMEM;
        "an odd address": SYS_madvise(at + 1, 4096, 4) => EINVAL;
        "unknown advice": SYS_madvise(at, 4096, 99) => EINVAL;
        "nothing there": SYS_madvise(gone, 4096, 4) => ENOMEM;
        "an odd address": SYS_mincore(at + 1, 4096, at) => EINVAL;
        "nothing there": SYS_mincore(gone, 4096, at) => ENOMEM;
        "nowhere": SYS_mincore(at, 4096, BAD) => EFAULT;
        "nothing there": SYS_mlock(gone, 4096) => ENOMEM;
        "nothing there": SYS_munlock(gone, 4096) => ENOMEM;
        "an unknown flag": SYS_mlock2(at, 4096, 2) => EINVAL;
        "no flag": SYS_mlockall(0) => EINVAL;
        "an unknown flag": SYS_mlockall(8) => EINVAL;
        "on a fault alone": SYS_mlockall(4) => EINVAL;
        "an unknown command": SYS_membarrier(1 << 20, 0, 0) => EINVAL;
        "a flag": SYS_membarrier(0, 9, 0) => EINVAL;
        "an unknown flag": SYS_getrandom(at, 1, 8) => EINVAL;
        "both kinds": SYS_getrandom(at, 1, 6) => EINVAL;
        "nowhere": SYS_getrandom(BAD, 1, 0) => EFAULT;
    );
    system_v(report, at, gone);
    super::super::close(&[file, read_only, written, folder])
}

/// Shared memory, semaphores and messages: `at` is memory, at `gone` there is none.
fn system_v(report: &mut Report, at: usize, gone: usize) {
    refused!(report;
        "no size": SYS_shmget(0, 0, 0o600) => EINVAL;
        "not there": SYS_shmget(0x7f00_1234, 4096, 0) => ENOENT;
        "unknown": SYS_shmat(-1, NONE, 0) => EINVAL;
        "nothing there": SYS_shmdt(gone) => EINVAL;
        "unknown": SYS_shmctl(-1, libc::IPC_STAT, at) => EINVAL;
        "not there": SYS_semget(0x7f00_1234, 1, 0) => ENOENT;
        "none": SYS_semget(0, 0, 0o600) => EINVAL;
        "too many": SYS_semget(0, 1 << 20, 0o600) => EINVAL;
        "unknown": SYS_semctl(-1, 0, libc::IPC_RMID, 0) => EINVAL;
        "no operation": SYS_semop(0, at, 0) => EINVAL;
        "too many": SYS_semop(0, at, 501) => E2BIG;
        "not there": SYS_msgget(0x7f00_1234, 0) => ENOENT;
        "unknown": SYS_msgctl(-1, libc::IPC_STAT, at) => EINVAL;
        "too long": SYS_msgsnd(0, at, 1 << 20, 0) => EINVAL;
        "no kind": SYS_msgsnd(0, at, 1, 0) => EINVAL;
        "nowhere": SYS_msgsnd(0, BAD, 1, 0) => EFAULT;
        "unknown": SYS_msgrcv(-1, at, 1, 0, 0) => EINVAL;
    );
}
