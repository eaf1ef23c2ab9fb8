//! A mount upon a folder of a process hides a part of /proc for as long as that lives:
//! then there may be another /proc in a user namespace (user_namespaces(7)).
use crate::cases::contracts::prelude::*;

fn mounts_proc() -> Result<(), Errno> {
    call!(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))?;
    let end = sys::in_child(|| {
        let proc = c"proc".as_ptr();
        let mounted = call!(mount(proc, c"/proc".as_ptr(), proc, 14, null()));
        mounted.map_or_else(|error| error.0, |_| 0)
    })?;
    match end {
        End::Exited(0) => Ok(()),
        End::Exited(error) => Err(Errno(error)),
        _ => Err(Errno(EIO)),
    }
}

pub fn run(t: &mut Report) -> Outcome {
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null()););
    let child = sleeper()?;
    let place = word(&format!("/proc/{child}/task"));
    yes!(t; "a part is hidden": mount(tmpfs, place.as_ptr(), tmpfs, 0, null()););
    apart(t, |t| {
        t.refused("not shown by another", mounts_proc(), EPERM);
        Ok(())
    })?;
    t.works("its process ends", end(child).map(|_| 0));
    apart(t, |t| {
        t.works("nothing is hidden", mounts_proc().map(|()| 0));
        Ok(())
    })
}
