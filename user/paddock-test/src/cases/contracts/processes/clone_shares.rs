//! clone(2): CLONE_FILES, CLONE_PARENT and CLONE_VFORK.
use crate::cases::contracts::prelude::*;

fn child(flags: i32, body: impl FnOnce() -> i32) -> Result<i32, Errno> {
    let pid = raw!(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0)? as i32;
    if pid == 0 {
        let status = body();
        let _ = raw!(SYS_exit_group, status);
        std::process::abort()
    }
    Ok(pid)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let fd = opened("f", O_RDONLY)?;
    let flags = |fd: i32| call!(fcntl(fd, F_GETFD));
    let pid = child(0, || unless(sys::close(fd).is_ok()))?;
    sys::wait(pid)?;
    t.same("a fork's close is its own", flags(fd), Ok(0));
    let pid = child(CLONE_FILES, || unless(sys::close(fd).is_ok()))?;
    t.same("with CLONE_FILES", sys::wait(pid), Ok(End::Exited(0)));
    t.refused("it is everybody's", flags(fd), EBADF);
    let pid = child(CLONE_FILES, || unless(opened("f", O_RDONLY) == Ok(fd)))?;
    t.same("opened there", sys::wait(pid), Ok(End::Exited(0)));
    t.same("is open here", flags(fd), Ok(0));
    let mut seen = 0;
    let at = &raw mut seen;
    let pid = child(CLONE_VFORK, || {
        // SAFETY: a copy of the parent's memory.
        unsafe { at.write_volatile(1) };
        5
    })?;
    t.same("CLONE_VFORK alone shares no memory", seen, 0);
    t.same("and it ends", sys::wait(pid), Ok(End::Exited(5)));
    apart(t, |t| {
        let parent = own_pid();
        let pid = child(0, || {
            // This one's child is its sibling.
            match child(CLONE_PARENT, || 6) {
                Ok(sibling) => i32::from(sys::wait(sibling) != Err(Errno(ECHILD))),
                Err(_) => 2,
            }
        })?;
        t.same("its maker cannot wait", sys::wait(pid), Ok(End::Exited(0)));
        t.same("its parent can", sys::wait(-1), Ok(End::Exited(6)));
        t.check(
            "that is all",
            own_pid() == parent && sys::wait(-1) == Err(Errno(ECHILD)),
        );
        Ok(())
    })
}
