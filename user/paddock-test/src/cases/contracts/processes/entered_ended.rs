//! setns(2) by the descriptor of a process that has ended.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let child = sleeper()?;
    let fd = raw!(SYS_pidfd_open, child, 0)? as i32;
    t.works("one that lives", call!(setns(fd, CLONE_NEWUTS)));
    t.refused("no kind", call!(setns(fd, 0)), EINVAL);
    sys::kill(child, SIGKILL)?;
    t.same("it has ended", ready_within(fd)?, POLLIN);
    t.refused("not waited for", call!(setns(fd, CLONE_NEWUTS)), ESRCH);
    t.refused(
        "of several kinds",
        call!(setns(fd, CLONE_NEWUTS | CLONE_NEWIPC)),
        ESRCH,
    );
    sys::wait(child)?;
    t.refused("waited for", call!(setns(fd, CLONE_NEWUTS)), ESRCH);
    t.refused("no kind", call!(setns(fd, 0)), EINVAL);
    Ok(())
}

/// What poll(2) finds within some seconds.
fn ready_within(fd: i32) -> Result<i16, Errno> {
    let mut entry = pollfd {
        fd,
        events: POLLIN,
        revents: 0,
    };
    call!(libc::poll(&raw mut entry, 1, 20_000))?;
    Ok(entry.revents)
}
