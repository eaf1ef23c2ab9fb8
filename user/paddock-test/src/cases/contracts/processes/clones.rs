//! clone(2): flags that do not go together; set_tid_address(2), pidfd_open(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let clone = |flags: i32| raw!(SYS_clone, flags, 0, 0, 0, 0);
    t.refused("handlers without memory", clone(CLONE_SIGHAND), EINVAL);
    t.refused(
        "a thread without handlers",
        clone(CLONE_THREAD | CLONE_VM),
        EINVAL,
    );
    t.refused("mounts and paths", clone(CLONE_NEWNS | CLONE_FS), EINVAL);
    t.refused("users and paths", clone(CLONE_NEWUSER | CLONE_FS), EINVAL);
    t.refused(
        "a thread of another number space",
        clone(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWPID),
        EINVAL,
    );
    t.refused("unshare of nothing known", call!(unshare(1)), EINVAL);
    t.refused("setns of nothing", call!(setns(999, 0)), EBADF);
    let root = call!(open(c"/".as_ptr(), O_RDONLY))?;
    t.refused("of a file", call!(setns(root, 0)), EINVAL);
    let open_ = |pid: i32, flags: i32| raw!(SYS_pidfd_open, pid, flags);
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    t.refused("nobody's descriptor", open_(0x3fff_fff0, 0), ESRCH);
    t.refused("process 0's", open_(0, 0), EINVAL);
    t.refused("a negative one's", open_(-1, 0), EINVAL);
    t.refused("with a flag", open_(own, 1), EINVAL);
    let fd = open_(own, 0)? as i32;
    t.same("closes on exec", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    let signal =
        |fd: i32, signal: i32, flags: u32| raw!(SYS_pidfd_send_signal, fd, signal, 0, flags);
    t.same("nothing sent", signal(fd, 0, 0), Ok(0));
    t.refused("no signal", signal(fd, 65, 0), EINVAL);
    t.refused("a flag", signal(fd, 0, 1 << 30), EINVAL);
    t.refused("no process's", signal(1, 0, 0), EBADF);
    t.refused(
        "a descriptor that is none",
        raw!(SYS_pidfd_getfd, fd, 999, 0),
        EBADF,
    );
    t.refused("with flags", raw!(SYS_pidfd_getfd, fd, 1, 1), EINVAL);
    t.same("not to be read", ready(fd, POLLIN), Ok(0));
    t.same(
        "this thread",
        raw!(SYS_set_tid_address, 0),
        Ok(i64::from(own)),
    );
    Ok(())
}
