//! mq_open(3), mq_unlink(3): names, rights and attributes.
use crate::cases::contracts::prelude::*;

fn attributes(most: i64, size: i64) -> [i64; 8] {
    [0, most, size, 0, 0, 0, 0, 0]
}

fn make(name: &CStr, flags: i32, attributes: *const i64) -> Result<i32, Errno> {
    raw!(SYS_mq_open, name.as_ptr(), flags, 0o640, attributes).map(|fd| fd as i32)
}

/// Names and attributes that are none; `name` is no queue's.
fn refused(t: &mut Report, name: &CStr) -> Outcome {
    t.refused("not there", make(name, O_RDWR, null()), ENOENT);
    t.refused("no name", make(c"", O_RDWR | O_CREAT, null()), ENOENT);
    t.refused("a slash", make(c"a/b", O_RDWR | O_CREAT, null()), EACCES);
    t.refused("a dot", make(c".", O_RDWR | O_CREAT, null()), EACCES);
    let long = word(&"x".repeat(256));
    t.refused(
        "a long one",
        make(&long, O_RDWR | O_CREAT, null()),
        ENAMETOOLONG,
    );
    t.refused("nowhere", raw!(SYS_mq_open, 8, O_RDWR, 0, 0), EFAULT);
    for (what, most, size) in [
        ("none", 0, 10),
        ("no bytes", 10, 0),
        ("less", -1, 10),
        ("fewer bytes", 10, -1),
    ] {
        let bad = attributes(most, size);
        t.refused(what, make(name, O_RDWR | O_CREAT, bad.as_ptr()), EINVAL);
    }
    t.refused(
        "attributes nowhere",
        make(name, O_RDWR | O_CREAT, 8 as *const i64),
        EFAULT,
    );
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    // The kernel's names have no slash: the library takes it off.
    let name = word(&format!("contract-{}", own_pid()));
    refused(t, &name)?;
    let good = attributes(5, 100);
    let fd = make(&name, O_RDWR | O_CREAT | O_EXCL, good.as_ptr())?;
    t.refused(
        "made new, but there",
        make(&name, O_RDWR | O_CREAT | O_EXCL, null()),
        EEXIST,
    );
    t.same("closes on exec", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    let mut found = [9i64; 8];
    t.works(
        "its attributes",
        raw!(SYS_mq_getsetattr, fd, 0, found.as_mut_ptr()),
    );
    t.same(
        "as they were given",
        found[..4].to_vec(),
        vec![0, 5, 100, 0],
    );
    let mut flags = attributes(1, 1);
    flags[0] = i64::from(O_NONBLOCK);
    t.works(
        "set",
        raw!(SYS_mq_getsetattr, fd, flags.as_ptr(), found.as_mut_ptr()),
    );
    t.same("the old is told", found[0], 0);
    t.works(
        "and read",
        raw!(SYS_mq_getsetattr, fd, 0, found.as_mut_ptr()),
    );
    t.same(
        "only the flag",
        found[..3].to_vec(),
        vec![i64::from(O_NONBLOCK), 5, 100],
    );
    flags[0] = i64::from(O_APPEND);
    t.refused(
        "another flag",
        raw!(SYS_mq_getsetattr, fd, flags.as_ptr(), 0),
        EINVAL,
    );
    t.refused(
        "no queue",
        raw!(
            SYS_mq_getsetattr,
            opened("/dev/null", O_RDWR)?,
            0,
            found.as_mut_ptr()
        ),
        EBADF,
    );
    as_nobody(t, |t| {
        t.refused("nobody opens it", make(&name, O_RDONLY, null()), EACCES);
        t.refused("nor removes it", raw!(SYS_mq_unlink, name.as_ptr()), EPERM);
        Ok(())
    })?;
    t.works("removed", raw!(SYS_mq_unlink, name.as_ptr()));
    t.refused("twice", raw!(SYS_mq_unlink, name.as_ptr()), ENOENT);
    t.works(
        "who has it keeps it",
        raw!(SYS_mq_getsetattr, fd, 0, found.as_mut_ptr()),
    );
    Ok(())
}
