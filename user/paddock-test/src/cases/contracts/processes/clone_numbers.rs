//! clone(2): where the child's number is written, and what is cleared at its end.
use crate::cases::contracts::prelude::*;

/// clone(2) like fork(2), by the kernel's order of arguments.
fn clone_with(flags: i32, parent: *mut i32, child: *mut i32) -> Result<i32, Errno> {
    #[cfg(target_arch = "x86_64")]
    let pid = raw!(SYS_clone, flags, 0, parent, child, 0)?;
    #[cfg(not(target_arch = "x86_64"))]
    let pid = raw!(SYS_clone, flags, 0, parent, 0, child)?;
    Ok(pid as i32)
}

/// Ends a child that shares nothing with the library's knowledge of threads.
fn leave(status: i32) -> ! {
    let _ = raw!(SYS_exit_group, status);
    std::process::abort()
}

pub fn run(t: &mut Report) -> Outcome {
    let shared = Map::new(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    let at: *mut i32 = shared.start.cast();
    let other = at.wrapping_add(1);
    // SAFETY: of the mapping, which others only read when this has been waited for.
    let (read, put) = (
        |at: *mut i32| unsafe { at.read_volatile() },
        |at: *mut i32, value: i32| unsafe { at.write_volatile(value) },
    );
    let pid = clone_with(SIGCHLD | CLONE_PARENT_SETTID, at, null_mut())?;
    if pid == 0 {
        leave(0);
    }
    t.same("the parent's word", read(at), pid);
    t.same("it ends", sys::wait(pid), Ok(End::Exited(0)));
    let pid = clone_with(SIGCHLD | CLONE_CHILD_SETTID, null_mut(), other)?;
    if pid == 0 {
        leave(unless(
            i64::from(read(other)) == raw!(SYS_getpid).unwrap_or(0),
        ));
    }
    t.same(
        "the child's word, as it sees it",
        sys::wait(pid),
        Ok(End::Exited(0)),
    );
    t.same("shared", read(other), pid);
    put(other, 99);
    let pid = clone_with(SIGCHLD | CLONE_CHILD_CLEARTID, null_mut(), other)?;
    if pid == 0 {
        leave(unless(read(other) == 99));
    }
    t.same("left alone at first", sys::wait(pid), Ok(End::Exited(0)));
    let bad = 8 as *mut i32;
    let pid = clone_with(SIGCHLD | CLONE_CHILD_SETTID, null_mut(), bad)?;
    if pid == 0 {
        leave(0);
    }
    t.same(
        "a word nowhere is no error",
        sys::wait(pid),
        Ok(End::Exited(0)),
    );
    let pid = clone_with(0, null_mut(), null_mut())?;
    if pid == 0 {
        leave(3);
    }
    t.refused(
        "without a signal it is no ordinary child",
        sys::wait(pid),
        ECHILD,
    );
    t.same(
        "but one with __WALL",
        sys::wait_with(pid, __WALL),
        Ok((pid, End::Exited(3))),
    );
    noted(SIGUSR2, 0)?;
    let pid = clone_with(SIGUSR2, null_mut(), null_mut())?;
    if pid == 0 {
        leave(4);
    }
    t.same(
        "with another, by __WCLONE",
        sys::wait_with(pid, __WCLONE).map(|it| it.1),
        Ok(End::Exited(4)),
    );
    t.same(
        "which has come",
        (NOTED.load(Relaxed), LAST.load(Relaxed)),
        (1, SIGUSR2),
    );
    Ok(())
}
