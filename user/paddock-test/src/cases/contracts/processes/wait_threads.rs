//! wait4(2): children of any thread, __WCLONE and __WALL.
use crate::cases::contracts::prelude::*;

/// A child whose end sends this.
fn cloned(signal: i32) -> Result<i32, Errno> {
    let child = raw!(SYS_clone, signal, 0usize, 0usize, 0usize, 0usize)? as i32;
    if child == 0 {
        // SAFETY: the child ends at once, without anything of the parent's.
        unsafe { _exit(4) };
    }
    Ok(child)
}

pub fn run(t: &mut Report) -> Outcome {
    const ALL: i32 = 0x4000_0000;
    const CLONE: i32 = i32::MIN;
    let child = sys::fork(|| 3)?;
    let other = std::thread::spawn(move || sys::wait_with(child, 0));
    let found = other.join().map_err(|_| "a thread ended")?;
    t.same("but its process's", found, Ok((child, End::Exited(3))));
    let child = cloned(0)?;
    t.refused("silent ones", sys::wait_with(child, 0), ECHILD);
    t.same(
        "are clones",
        sys::wait_with(child, CLONE),
        Ok((child, End::Exited(4))),
    );
    let child = cloned(SIGURG)?;
    t.same(
        "any",
        sys::wait_with(child, ALL),
        Ok((child, End::Exited(4))),
    );
    let child = cloned(SIGCHLD)?;
    t.refused(
        "an ordinary one is none",
        sys::wait_with(child, CLONE),
        ECHILD,
    );
    t.same(
        "is taken",
        sys::wait_with(child, ALL),
        Ok((child, End::Exited(4))),
    );
    let mut info = [0i32; 32];
    let child = cloned(0)?;
    let wait = raw!(
        SYS_waitid,
        P_PID,
        child,
        info.as_mut_ptr(),
        WEXITED | CLONE,
        0usize
    );
    t.same("by waitid", (wait, info[4], info[6]), (Ok(0), child, 4));
    Ok(())
}
