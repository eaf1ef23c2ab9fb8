//! add_key(2): kinds, names, and what is refused.
use super::*;
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        let key = user(c"a", PROCESS)?;
        t.check("a number", key > 0);
        t.same("is read", content(key), Ok(b"payload".to_vec()));
        let again = add(c"user", c"a", b"other", PROCESS);
        t.same("the same again", again, Ok(key));
        t.same("has another content", content(key), Ok(b"other".to_vec()));
        let told = described(key).unwrap_or_default();
        t.same("is described", told, "user;0;0;3f010000;a".to_owned());
        t.refused("no kind", add(c"", c"a", b"x", PROCESS), EINVAL);
        t.refused("of the kernel", add(c".user", c"a", b"x", PROCESS), EPERM);
        let long = "k".repeat(32);
        t.refused("too long", add(&word(&long), c"a", b"x", PROCESS), EINVAL);
        t.refused("unknown", add(c"nothing", c"a", b"x", PROCESS), ENODEV);
        t.refused("no name", add(c"user", c"", b"x", PROCESS), EINVAL);
        let long = word(&"n".repeat(4096));
        t.refused("a long name", add(c"user", &long, b"x", PROCESS), EINVAL);
        t.refused("nothing in it", add(c"user", c"a", b"", PROCESS), EINVAL);
        let much = vec![1u8; 32_768];
        t.refused("too much", add(c"user", c"b", &much, PROCESS), EINVAL);
        t.works("as much as may be", add(c"user", c"b", &much[1..], PROCESS));
        let nowhere = call!(syscall(
            SYS_add_key,
            c"user".as_ptr(),
            c"a".as_ptr(),
            0,
            64,
            PROCESS
        ));
        t.refused("from nowhere", nowhere, EFAULT);
        t.refused(
            "a keyring's bytes",
            add(c"keyring", c"r", b"x", PROCESS),
            EINVAL,
        );
        t.refused(
            "a kernel's keyring",
            add(c"keyring", c".r", b"", PROCESS),
            EPERM,
        );
        t.refused(
            "a logon without service",
            add(c"logon", c"a", b"x", PROCESS),
            EINVAL,
        );
        let logon = add(c"logon", c"s:a", b"x", PROCESS)?;
        t.refused("is not read", content(logon), EOPNOTSUPP);
        t.refused("into a key", user(c"c", key), ENOTDIR);
        t.refused("into no key", user(c"c", 0), EINVAL);
        t.refused("nor there", user(c"c", -99), EINVAL);
        t.refused("of a group", user(c"c", -6), EINVAL);
        let ring = add(c"keyring", c"r", b"", PROCESS)?;
        let inner = user(c"c", ring)?;
        t.same(
            "a keyring's",
            content(ring),
            Ok((inner as i32).to_ne_bytes().to_vec()),
        );
        Ok(())
    })
}
