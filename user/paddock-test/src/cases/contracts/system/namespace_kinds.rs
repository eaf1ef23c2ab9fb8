//! ioctl_ns(2): kinds, owners and parents of namespaces.
use crate::cases::contracts::prelude::*;

const PARENT: c_ulong = 0xb702;
const NSTYPE: c_ulong = 0xb703;
const OWNER: c_ulong = 0xb704;

pub fn run(t: &mut Report) -> Outcome {
    let ask = |fd: i32, what: c_ulong, at: *mut u32| raw!(SYS_ioctl, fd, what, at);
    let none = null_mut();
    let mut user = 0u32;
    for (name, kind) in [
        ("mnt", CLONE_NEWNS),
        ("uts", CLONE_NEWUTS),
        ("ipc", CLONE_NEWIPC),
        ("pid", CLONE_NEWPID),
    ] {
        let fd = opened(&format!("/proc/self/ns/{name}"), O_RDONLY)?;
        t.same(name, ask(fd, NSTYPE, none), Ok(i64::from(kind)));
        t.refused(
            "no owner but of users",
            ask(fd, OWNER, &raw mut user),
            EINVAL,
        );
        let link = std::fs::read_link(format!("/proc/self/ns/{name}"))
            .map_err(|error| error.to_string())?;
        let expected = format!("{name}:[{}]", stat_of(fd)?.st_ino);
        t.same(
            "its name has its inode",
            link.to_string_lossy().into_owned(),
            expected,
        );
        if name == "mnt" || name == "uts" {
            t.refused("it has no parent", ask(fd, PARENT, none), EINVAL);
        }
        sys::close(fd)?;
    }
    let pids = opened("/proc/self/ns/pid", O_RDONLY)?;
    t.refused(
        "the first has none in sight",
        ask(pids, PARENT, none),
        EPERM,
    );
    t.refused("no such question", ask(pids, 0xb7ff, none), ENOTTY);
    let file = opened("/dev/null", O_RDWR)?;
    t.refused("of no namespace", ask(file, NSTYPE, none), ENOTTY);
    // SAFETY: takes nothing.
    let outside = format!("/proc/{}/ns/uts", unsafe { getppid() });
    let same = |one: &str, other: &str| status_of(one).and_then(|one| Ok(one == status_of(other)?));
    t.same(
        "a child has the same",
        same("/proc/self/ns/uts", &outside),
        Ok(true),
    );
    apart(t, |t| {
        yes!(t; "one of its own": unshare(CLONE_NEWUTS););
        t.same("is another", same("/proc/self/ns/uts", &outside), Ok(false));
        yes!(t; "named": sethostname(c"within".as_ptr(), 6););
        t.same(
            "by all within",
            text("/proc/sys/kernel/hostname").trim().to_owned(),
            "within".into(),
        );
        let outer = opened(&outside, O_RDONLY)?;
        t.refused("of another kind", call!(setns(outer, CLONE_NEWIPC)), EINVAL);
        yes!(t; "and back": setns(outer, CLONE_NEWUTS););
        t.same(
            "is the first",
            same("/proc/self/ns/uts", &outside),
            Ok(true),
        );
        Ok(())
    })?;
    Ok(())
}

/// Device and inode of what a link leads to.
fn status_of(path: &str) -> Result<(u64, u64), Errno> {
    let found = stat_of(opened(path, O_RDONLY)?)?;
    Ok((found.st_dev as u64, found.st_ino as u64))
}
