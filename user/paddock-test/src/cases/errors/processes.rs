//! Calls on processes, signals and who one is.

use super::{BAD, CLOSED, NONE, Outcome, refused};
use crate::report::Report;

/// A process that is not there.
const NOBODY: i32 = 0x3fff_fffe;

pub fn run(report: &mut Report) -> Outcome {
    let mut words = [0u64; 64];
    let at = words.as_mut_ptr();
    signals(report, at);
    identity(report, at);
    scheduling(report, at);
    others(report, at);
    sigaltstack(report);
    Ok(())
}

/// Calls on signals, and on children.
fn signals(report: &mut Report, at: *mut u64) {
    refused!(report;
        "nobody": SYS_kill(NOBODY, 0) => ESRCH;
        "an unknown signal": SYS_kill(0, 65) => EINVAL;
        "a negative signal": SYS_kill(0, -1) => EINVAL;
        "no thread": SYS_tkill(0, 0) => EINVAL;
        "nobody": SYS_tkill(NOBODY, 0) => ESRCH;
        "no thread": SYS_tgkill(0, 0, 0) => EINVAL;
        "nobody": SYS_tgkill(NOBODY, NOBODY, 0) => ESRCH;
        "of another process": SYS_tgkill(1, libc::getpid(), 0) => ESRCH;
        "nowhere": SYS_rt_sigqueueinfo(NOBODY, 1, BAD) => EFAULT;
        "SIGKILL": SYS_rt_sigaction(libc::SIGKILL, at, NONE, 8) => EINVAL;
        "SIGSTOP": SYS_rt_sigaction(libc::SIGSTOP, at, NONE, 8) => EINVAL;
        "an unknown signal": SYS_rt_sigaction(65, NONE, NONE, 8) => EINVAL;
        "none": SYS_rt_sigaction(0, NONE, NONE, 8) => EINVAL;
        "another size": SYS_rt_sigaction(1, NONE, NONE, 16) => EINVAL;
        "another size": SYS_rt_sigprocmask(0, at, NONE, 16) => EINVAL;
        "an unknown way": SYS_rt_sigprocmask(9, at, NONE, 8) => EINVAL;
        "nowhere": SYS_rt_sigpending(BAD, 8) => EFAULT;
        "another size": SYS_rt_sigpending(at, 16) => EINVAL;
        "another size": SYS_rt_sigsuspend(at, 16) => EINVAL;
        "nowhere": SYS_rt_sigsuspend(BAD, 8) => EFAULT;
        "another size": SYS_rt_sigtimedwait(at, NONE, NONE, 16) => EINVAL;
        "nowhere": SYS_rt_sigtimedwait(BAD, NONE, NONE, 8) => EFAULT;
        "a time nowhere": SYS_rt_sigtimedwait(at, NONE, BAD, 8) => EFAULT;
        "no child": SYS_wait4(-1, NONE, 0, NONE) => ECHILD;
        "an unknown option": SYS_wait4(-1, NONE, 0x1000, NONE) => EINVAL;
        "the most negative": SYS_wait4(i32::MIN, NONE, 0, NONE) => ESRCH;
        "no child": SYS_waitid(0, 0, NONE, libc::WEXITED, NONE) => ECHILD;
        "nothing to wait for": SYS_waitid(0, 0, NONE, 0, NONE) => EINVAL;
        "an unknown kind": SYS_waitid(9, 1, NONE, libc::WEXITED, NONE) => EINVAL;
        "a process without number": SYS_waitid(1, 0, NONE, libc::WEXITED, NONE) => EINVAL;
        "a closed one": SYS_waitid(3, CLOSED, NONE, libc::WEXITED, NONE) => EBADF;
    );
}

/// Groups, priorities, limits, names and who one is.
fn identity(report: &mut Report, at: *mut u64) {
    refused!(report;
        "nobody": SYS_getpgid(NOBODY) => ESRCH;
        "nobody": SYS_getsid(NOBODY) => ESRCH;
        "nobody": SYS_setpgid(NOBODY, 0) => ESRCH;
        "a negative group": SYS_setpgid(0, -1) => EINVAL;
        "a group that is not there": SYS_setpgid(0, NOBODY) => EPERM;
        "an unknown kind": SYS_getpriority(9, 0) => EINVAL;
        "nobody": SYS_getpriority(0, NOBODY) => ESRCH;
        "an unknown kind": SYS_setpriority(9, 0, 0) => EINVAL;
        "nobody": SYS_setpriority(0, NOBODY, 0) => ESRCH;
        "an unknown limit": SYS_getrlimit(99, at) => EINVAL;
        "nowhere": SYS_getrlimit(0, BAD) => EFAULT;
        "an unknown limit": SYS_setrlimit(99, at) => EINVAL;
        "nowhere": SYS_setrlimit(0, BAD) => EFAULT;
        "an unknown limit": SYS_prlimit64(0, 99, NONE, at) => EINVAL;
        "nobody": SYS_prlimit64(NOBODY, 0, NONE, at) => ESRCH;
        "an unknown kind": SYS_getrusage(9, at) => EINVAL;
        "nowhere": SYS_getrusage(0, BAD) => EFAULT;
        "nowhere": SYS_uname(BAD) => EFAULT;
        "nowhere": SYS_sysinfo(BAD) => EFAULT;
        "nowhere": SYS_times(BAD) => EFAULT;
        "too long": SYS_sethostname(at, 65) => EINVAL;
        "a negative length": SYS_sethostname(at, -1) => EINVAL;
        "too long": SYS_setdomainname(at, 65) => EINVAL;
        "nowhere": SYS_sethostname(BAD, 4) => EFAULT;
        "too many": SYS_setgroups(65_537, at) => EINVAL;
        "nowhere": SYS_setgroups(1, BAD) => EFAULT;
        "a negative number": SYS_getgroups(-1, at) => EINVAL;
        "no user": SYS_setuid(-1) => EINVAL;
        "no group": SYS_setgid(-1) => EINVAL;
        "nowhere": SYS_getresuid(BAD, at, at) => EFAULT;
        "nowhere": SYS_getresgid(at, BAD, at) => EFAULT;
    );
}

/// What a process is told to be, and when it runs.
fn scheduling(report: &mut Report, at: *mut u64) {
    refused!(report;
        "an unknown option": SYS_prctl(9_999, 0, 0, 0, 0) => EINVAL;
        "an unknown signal": SYS_prctl(libc::PR_SET_PDEATHSIG, 65, 0, 0, 0) => EINVAL;
        "nowhere": SYS_prctl(libc::PR_GET_PDEATHSIG, BAD, 0, 0, 0) => EFAULT;
        "an unknown value": SYS_prctl(libc::PR_SET_DUMPABLE, 7, 0, 0, 0) => EINVAL;
        "nowhere": SYS_prctl(libc::PR_SET_NAME, BAD, 0, 0, 0) => EFAULT;
        "an unknown value": SYS_prctl(libc::PR_SET_KEEPCAPS, 7, 0, 0, 0) => EINVAL;
        "zero": SYS_prctl(libc::PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) => EINVAL;
        "with more": SYS_prctl(libc::PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0) => EINVAL;
        "an unknown capability": SYS_prctl(libc::PR_CAPBSET_READ, 99, 0, 0, 0) => EINVAL;
        "an unknown capability": SYS_prctl(libc::PR_CAPBSET_DROP, 99, 0, 0, 0) => EINVAL;
        "nobody": SYS_sched_getscheduler(NOBODY) => ESRCH;
        "negative": SYS_sched_getscheduler(-1) => EINVAL;
        "nowhere": SYS_sched_getparam(0, NONE) => EINVAL;
        "nobody": SYS_sched_getparam(NOBODY, at) => ESRCH;
        "an unknown policy": SYS_sched_setscheduler(0, 99, at) => EINVAL;
        "nowhere": SYS_sched_setscheduler(0, 0, BAD) => EFAULT;
        "an unknown policy": SYS_sched_get_priority_max(99) => EINVAL;
        "an unknown policy": SYS_sched_get_priority_min(99) => EINVAL;
        "nobody": SYS_sched_rr_get_interval(NOBODY, at) => ESRCH;
        "nobody": SYS_sched_getaffinity(NOBODY, 128, at) => ESRCH;
        "an odd size": SYS_sched_getaffinity(0, 7, at) => EINVAL;
        "nowhere": SYS_sched_getaffinity(0, 128, BAD) => EFAULT;
        "no CPU": SYS_sched_setaffinity(0, 8, at) => EINVAL;
        "nowhere": SYS_sched_setaffinity(0, 8, BAD) => EFAULT;
        "a flag": SYS_sched_getattr(0, at, 48, 1) => EINVAL;
        "too small": SYS_sched_getattr(0, at, 8, 0) => EINVAL;
        "nobody": SYS_sched_getattr(NOBODY, at, 48, 0) => ESRCH;
    );
}

/// Descriptors of processes, threads, futexes and the machine.
fn others(report: &mut Report, at: *mut u64) {
    refused!(report;
        "nobody": SYS_pidfd_open(NOBODY, 0) => ESRCH;
        "nobody's number": SYS_pidfd_open(0, 0) => EINVAL;
        "an unknown flag": SYS_pidfd_open(1, 1 << 20) => EINVAL;
        "a closed one": SYS_pidfd_send_signal(CLOSED, 0, NONE, 0) => EBADF;
        "no process": SYS_pidfd_send_signal(0, 0, NONE, 0) => EBADF;
        "a closed one": SYS_pidfd_getfd(CLOSED, 0, 0) => EBADF;
        "too small": SYS_clone3(at, 8) => EINVAL;
        "much too large": SYS_clone3(at, 5000) => E2BIG;
        "nowhere": SYS_clone3(BAD, 88) => EFAULT;
        "another size": SYS_set_robust_list(at, 8) => EINVAL;
        "nobody": SYS_get_robust_list(NOBODY, at, at) => ESRCH;
        "an odd address": SYS_futex(at.addr() + 1, 0, 0, NONE) => EINVAL;
        "nowhere": SYS_futex(BAD, 0, 0, NONE) => EFAULT;
        "another value": SYS_futex(at, 0, 1, NONE) => EAGAIN;
        "no bits": SYS_futex(at, 9, 0, NONE, NONE, 0) => EINVAL;
        "no bits": SYS_futex(at, 10, 1, NONE, NONE, 0) => EINVAL;
        "unknown": SYS_futex(at, 99, 0, NONE) => ENOSYS;
        "fewer than none": SYS_futex(at, 3, -1, NONE, at, 0) => EINVAL;
        "another version": SYS_capget(at, at) => EINVAL;
        "nowhere": SYS_capget(BAD, at) => EFAULT;
        "a flag": SYS_process_vm_readv(libc::getpid(), at, 1, at, 1, 1) => EINVAL;
        "too many": SYS_process_vm_readv(libc::getpid(), at, 1025, at, 1, 0) => EINVAL;
        "an unknown argument": SYS_reboot(1, 2, 3, NONE) => EINVAL;
        "an unknown action": SYS_syslog(99, NONE, 0) => EINVAL;
    );
}

/// Stacks for signals.
fn sigaltstack(report: &mut Report) {
    let mut memory = [0u8; 64];
    let small = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: 64,
    };
    let unknown = libc::stack_t {
        ss_flags: 0x100,
        ss_size: 1 << 16,
        ..small
    };
    refused!(report;
        "too small": SYS_sigaltstack(&raw const small, NONE) => ENOMEM;
        "an unknown flag": SYS_sigaltstack(&raw const unknown, NONE) => EINVAL;
        "nowhere": SYS_sigaltstack(BAD, NONE) => EFAULT;
    );
}
