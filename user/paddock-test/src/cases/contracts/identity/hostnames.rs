//! sethostname(2), setdomainname(2), uname(2).
use crate::cases::contracts::prelude::*;

fn names() -> Result<[String; 2], Errno> {
    // SAFETY: plain numbers.
    let mut found: utsname = unsafe { std::mem::zeroed() };
    call!(uname(&raw mut found))?;
    let text = |bytes: &[c_char]| {
        let bytes = bytes.iter().take_while(|it| **it != 0);
        bytes.map(|it| *it as u8 as char).collect::<String>()
    };
    Ok([text(&found.nodename), text(&found.domainname)])
}

pub fn run(t: &mut Report) -> Outcome {
    let most = [b'x'; 65];
    t.works("names of its own", raw!(SYS_unshare, CLONE_NEWUTS));
    t.refused("told nowhere", raw!(SYS_uname, 8), EFAULT);
    t.refused("a name nowhere", raw!(SYS_sethostname, 8, 5), EFAULT);
    t.refused("a domain nowhere", raw!(SYS_setdomainname, 8, 5), EFAULT);
    t.refused(
        "a long domain",
        raw!(SYS_setdomainname, most.as_ptr(), 65),
        EINVAL,
    );
    t.refused(
        "a negative one",
        raw!(SYS_setdomainname, most.as_ptr(), -1),
        EINVAL,
    );
    t.works("the longest", raw!(SYS_sethostname, most.as_ptr(), 64));
    t.works("and here", raw!(SYS_setdomainname, most.as_ptr(), 64));
    let longest = "x".repeat(64);
    t.same("are told", names(), Ok([longest.clone(), longest]));
    t.works("a short one", raw!(SYS_sethostname, b"abc".as_ptr(), 2));
    t.works("none", raw!(SYS_setdomainname, 0, 0));
    t.same(
        "leaves nothing of the long one",
        names(),
        Ok(["ab".into(), String::new()]),
    );
    t.same("in /proc", text("/proc/sys/kernel/hostname"), "ab\n".into());
    t.works(
        "by /proc",
        std::fs::write("/proc/sys/kernel/hostname", "cd\n").map_err(|_| Errno(EIO)),
    );
    t.same(
        "is told by uname",
        names().map(|it| it[0].clone()),
        Ok("cd".into()),
    );
    as_nobody(t, |t| {
        t.refused("another's", raw!(SYS_sethostname, most.as_ptr(), 1), EPERM);
        t.refused(
            "too long, and not its own",
            raw!(SYS_sethostname, most.as_ptr(), 65),
            EPERM,
        );
        t.refused(
            "another's domain",
            raw!(SYS_setdomainname, most.as_ptr(), 1),
            EPERM,
        );
        Ok(())
    })
}
