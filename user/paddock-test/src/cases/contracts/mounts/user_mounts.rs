//! New mounts in a user namespace: what was mounted before stays as it is
//! (mount_namespaces(7), "Restrictions").
use crate::cases::contracts::prelude::*;

const CLONE: u32 = 1;
const RECURSIVE: u32 = 0x8000;
const FROM_FD: u32 = 4;
const CREATE: u32 = 6;
const RECONFIGURE: u32 = 7;

fn enter_namespaces() -> Outcome {
    become_user(NOBODY, NOBODY)?;
    // Its files of /proc are its own again.
    call!(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))?;
    call!(unshare(CLONE_NEWUSER | CLONE_NEWNS))?;
    let map = format!("0 {NOBODY} 1");
    file("/proc/self/uid_map", map.as_bytes())?;
    file("/proc/self/setgroups", b"deny")?;
    file("/proc/self/gid_map", map.as_bytes())
}

fn tree(path: &CStr, flags: u32) -> Result<i32, Errno> {
    int!(SYS_open_tree, AT_FDCWD, path.as_ptr(), flags)
}

fn shift(from: i32, path: &CStr, to: &CStr, flags: u32) -> Result<i32, Errno> {
    int!(
        SYS_move_mount,
        from,
        path.as_ptr(),
        AT_FDCWD,
        to.as_ptr(),
        flags
    )
}

fn new_mounts(t: &mut Report) -> Outcome {
    let fd = int!(SYS_fsopen, c"tmpfs".as_ptr(), 0)?;
    t.works("one in memory", int!(SYS_fsconfig, fd, CREATE, 0, 0, 0));
    let at = int!(SYS_fsmount, fd, 0, 0)?;
    t.works("at its place", shift(at, c"", c"own", FROM_FD));
    t.works("is written", opened("own/f", O_CREAT | O_RDWR));
    t.works(
        "changed by who made it",
        int!(SYS_fsconfig, fd, RECONFIGURE, 0, 0, 0),
    );
    let devices = int!(SYS_fsopen, c"devtmpfs".as_ptr(), 0)?;
    t.refused(
        "not the machine's",
        int!(SYS_fsconfig, devices, CREATE, 0, 0, 0),
        EPERM,
    );
    Ok(())
}

fn old_mounts(t: &mut Report) -> Outcome {
    t.refused("not moved", shift(AT_FDCWD, c"d", c"own", 0), EINVAL);
    t.refused("nothing bared", tree(c".", CLONE), EINVAL);
    t.works("copied whole", tree(c".", CLONE | RECURSIVE));
    t.works("or where nothing is on it", tree(c"d", CLONE));
    let fd = int!(SYS_fspick, AT_FDCWD, c"d".as_ptr(), 0)?;
    t.refused(
        "not changed",
        int!(SYS_fsconfig, fd, RECONFIGURE, 0, 0, 0),
        EPERM,
    );
    let flags = MS_REMOUNT | MS_NOSUID | MS_NODEV;
    no!(t; "in either way": mount(null(), c"d".as_ptr(), null(), flags, null()) => EPERM;
        "not written": mount(null(), c"d".as_ptr(), null(), MS_REMOUNT | MS_BIND, null()) => EPERM;);
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null()););
    for name in ["d", "own"] {
        folder(name)?;
    }
    yes!(t; "one of root's": mount(tmpfs, c"d".as_ptr(), tmpfs, MS_NOSUID | MS_NODEV, null());
        "for all": chmod(c".".as_ptr(), 0o777); "a place": chmod(c"own".as_ptr(), 0o777););
    apart(t, |t| {
        enter_namespaces()?;
        new_mounts(t)?;
        old_mounts(t)
    })
}
