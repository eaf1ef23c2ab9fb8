//! pidfd_open(2): waiting by a descriptor, for the end of a process.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let child = sleeper()?;
    let fd = raw!(SYS_pidfd_open, child, 0)? as i32;
    t.same("runs", ready(fd, POLLIN), Ok(0));
    let mut info = [0i32; 32];
    let at = info.as_mut_ptr();
    let wait = |fd: i32, how: i32| raw!(SYS_waitid, P_PIDFD, fd, at, WEXITED | how, 0usize);
    t.same("has not ended", wait(fd, WNOHANG), Ok(0));
    t.same("which is said", info[4], 0);
    t.refused("read", sys::read(fd, &mut [0; 8]), EINVAL);
    t.refused("written", sys::write(fd, &[0; 8]), EINVAL);
    sys::kill(child, SIGKILL)?;
    let mut entry = pollfd {
        fd,
        events: POLLIN,
        revents: 0,
    };
    yes!(t; "wakes who waits": poll(&raw mut entry, 1, 60_000););
    t.same("by being read", entry.revents & POLLIN, POLLIN);
    t.works("looked at", wait(fd, WNOWAIT));
    t.same(
        "how",
        (info[2], info[4], info[6]),
        (CLD_KILLED, child, SIGKILL),
    );
    t.works("taken", wait(fd, 0));
    t.refused("once", wait(fd, 0), ECHILD);
    t.same(
        "stays to be read",
        ready(fd, POLLIN).map(|it| it & POLLIN),
        Ok(POLLIN),
    );
    let signal = raw!(SYS_pidfd_send_signal, fd, 0, 0, 0);
    t.refused("no signal", signal, ESRCH);
    let number = call!(getppid())?;
    let parent = raw!(SYS_pidfd_open, number, 0)? as i32;
    t.refused("not a child", wait(parent, WNOHANG), ECHILD);
    t.refused("no descriptor of one", wait(0, WNOHANG), EBADF);
    t.refused("nobody's", raw!(SYS_pidfd_open, child, 0), ESRCH);
    let child = sleeper()?;
    let quick = raw!(SYS_pidfd_open, child, O_NONBLOCK)? as i32;
    t.refused("does not wait", wait(quick, 0), EAGAIN);
    end(child)?;
    Ok(())
}
