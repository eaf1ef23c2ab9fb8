//! unshare(2): descriptors, paths and names apart, and who may.
use crate::cases::contracts::prelude::*;

/// A child that shares the descriptors and paths of this one, for as long as it looks.
fn sharing(flags: i32) -> Result<i64, Errno> {
    raw!(SYS_clone, flags | SIGCHLD, 0usize, 0usize, 0usize, 0usize)
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    let fd = call!(open(c"/".as_ptr(), O_RDONLY))?;
    for (name, apart) in [("shared", 0), ("unshared", CLONE_FILES)] {
        let child = sharing(CLONE_FILES)?;
        if child == 0 {
            let parted = raw!(SYS_unshare, apart);
            let closed = sys::close(fd);
            // SAFETY: the child ends at once.
            unsafe { _exit(i32::from(parted.and(closed.map(i64::from)).is_err())) };
        }
        t.same(
            "closed by a child",
            sys::wait(child as i32),
            Ok(End::Exited(0)),
        );
        let here = call!(fcntl(fd, F_GETFD)).is_ok();
        t.same(name, here, apart != 0);
        if !here {
            t.same("is lowest", call!(open(c"/".as_ptr(), O_RDONLY)), Ok(fd));
        }
    }
    let before = std::env::current_dir().ok();
    let child = sharing(CLONE_FS)?;
    if child == 0 {
        let parted = raw!(SYS_unshare, CLONE_FS);
        let moved = call!(chdir(c"d".as_ptr()));
        // SAFETY: the child ends at once.
        unsafe { _exit(i32::from(parted.and(moved.map(i64::from)).is_err())) };
    }
    t.same(
        "another folder of a child",
        sys::wait(child as i32),
        Ok(End::Exited(0)),
    );
    t.check("is its own", std::env::current_dir().ok() == before);
    t.refused("no such thing", raw!(SYS_unshare, -1), EINVAL);
    t.works("nothing", raw!(SYS_unshare, 0));
    as_nobody(t, |t| {
        for what in [CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID] {
            t.refused("who may not", raw!(SYS_unshare, what), EPERM);
        }
        t.works(
            "its own descriptors",
            raw!(SYS_unshare, CLONE_FILES | CLONE_FS),
        );
        Ok(())
    })
}
