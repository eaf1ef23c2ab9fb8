//! chroot(2): who may, what it takes, and what is seen from inside and outside.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    folder("d/in")?;
    file("d/own", b"")?;
    folder("closed")?;
    yes!(t; "closed": chmod(c"closed".as_ptr(), 0o600); "a circle": symlink(c"o".as_ptr(), c"o".as_ptr()););
    let long = word(&"x".repeat(256));
    no!(t;
        "a file": chroot(c"f".as_ptr()) => ENOTDIR;
        "nothing": chroot(c"no".as_ptr()) => ENOENT;
        "a circle is none": chroot(c"o/x".as_ptr()) => ELOOP;
        "a long name": chroot(long.as_ptr()) => ENAMETOOLONG;
        "nowhere": chroot(8 as *const c_char) => EFAULT;
    );
    as_nobody(t, |t| {
        no!(t; "nobody may not": chroot(c"d".as_ptr()) => EPERM;
            "nor into what is closed": chroot(c"closed".as_ptr()) => EACCES;);
        Ok(())
    })?;
    apart(t, |t| {
        yes!(t; "one that stays outside": chroot(c"d".as_ptr()););
        yes!(t; "sees what is here": access(c"f".as_ptr(), F_OK);
            "the root is another": access(c"/own".as_ptr(), F_OK););
        let mut bytes = [0u8; 4096];
        let count = raw!(SYS_getcwd, bytes.as_mut_ptr(), bytes.len())?;
        t.check("cannot be reached", bytes.starts_with(b"(unreachable)/"));
        t.check("and the rest of its path", count > 14);
        Ok(())
    })?;
    apart(t, |t| {
        yes!(t; "one goes in": chroot(c"d".as_ptr()); "there": chdir(c"/".as_ptr()););
        yes!(t; "up is the same": access(c"../../own".as_ptr(), F_OK););
        no!(t; "outside is nothing": access(c"../f".as_ptr(), F_OK) => ENOENT;);
        yes!(t; "further in": chdir(c"in".as_ptr()););
        let mut bytes = [0u8; 64];
        t.same("its path", raw!(SYS_getcwd, bytes.as_mut_ptr(), 64), Ok(4));
        t.check("is from there", bytes.starts_with(b"/in\0"));
        yes!(t; "a link from the root": symlink(c"/own".as_ptr(), c"l".as_ptr());
            "is followed from there": access(c"l".as_ptr(), F_OK););
        Ok(())
    })
}
