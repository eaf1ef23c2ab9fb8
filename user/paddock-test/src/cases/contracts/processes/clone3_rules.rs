//! clone3(2): sizes, fields that must fit, and CLONE_PIDFD.
use crate::cases::contracts::prelude::*;

/// `struct clone_args`: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size,
/// tls, set_tid, set_tid_size, cgroup.
type Words = [u64; 12];

fn clone3(words: &Words, size: usize) -> Result<i32, Errno> {
    let pid = raw!(SYS_clone3, words.as_ptr(), size)? as i32;
    if pid == 0 {
        let _ = raw!(SYS_exit_group, 7);
        std::process::abort()
    }
    Ok(pid)
}

pub fn run(t: &mut Report) -> Outcome {
    const SIGNAL: usize = 4;
    let with = |fields: &[(usize, u64)]| {
        let mut words: Words = [0; 12];
        words[SIGNAL] = SIGCHLD as u64;
        for (field, value) in fields {
            words[*field] = *value;
        }
        words
    };
    let refused = |fields: &[(usize, u64)]| clone3(&with(fields), 88);
    t.refused("too small", clone3(&with(&[]), 63), EINVAL);
    t.refused("too large", clone3(&with(&[]), 5000), E2BIG);
    t.refused(
        "a field of the future",
        clone3(&with(&[(11, 1)]), 96),
        E2BIG,
    );
    t.refused("nowhere", raw!(SYS_clone3, 8, 88), EFAULT);
    t.refused("a flag of clone's signal", refused(&[(0, 0x11)]), EINVAL);
    t.refused("CLONE_DETACHED", refused(&[(0, 0x0040_0000)]), EINVAL);
    t.refused("no signal", refused(&[(SIGNAL, 65)]), EINVAL);
    t.refused("a large one", refused(&[(SIGNAL, 1 << 32)]), EINVAL);
    t.refused("a stack without a size", refused(&[(5, 4096)]), EINVAL);
    t.refused("a size without a stack", refused(&[(6, 4096)]), EINVAL);
    t.refused(
        "handlers without memory",
        refused(&[(0, CLONE_SIGHAND as u64)]),
        EINVAL,
    );
    t.refused(
        "a thread with a signal",
        refused(&[(0, (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) as u64)]),
        EINVAL,
    );
    t.refused(
        "paths and mounts",
        refused(&[(0, (CLONE_FS | CLONE_NEWNS) as u64)]),
        EINVAL,
    );
    t.refused(
        "a descriptor nowhere",
        refused(&[(0, CLONE_PIDFD as u64), (1, 8)]),
        EFAULT,
    );
    let (mut fd, mut number) = (-1i32, 0i32);
    let words = with(&[
        (0, (CLONE_PIDFD | CLONE_PARENT_SETTID) as u64),
        (1, (&raw mut fd) as u64),
        (3, (&raw mut number) as u64),
    ]);
    let pid = clone3(&words, 64)?;
    t.same("its number", number, pid);
    t.check("a descriptor", fd >= 0);
    t.same("closes on exec", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    let mut entry = pollfd {
        fd,
        events: POLLIN,
        revents: 0,
    };
    t.same("told of its end", call!(poll(&raw mut entry, 1, -1)), Ok(1));
    let info = line_of(&format!("/proc/self/fdinfo/{fd}"), "Pid:");
    t.check("whose it is", info == pid.to_string() || info == "-1");
    t.same("its status", sys::wait(pid), Ok(End::Exited(7)));
    t.refused("gone", raw!(SYS_pidfd_send_signal, fd, 0, 0, 0), ESRCH);
    t.works(
        "the first version's size",
        clone3(&with(&[]), 64).and_then(sys::wait),
    );
    t.works(
        "a longer one of zeros",
        clone3(&with(&[]), 96).and_then(sys::wait),
    );
    Ok(())
}
