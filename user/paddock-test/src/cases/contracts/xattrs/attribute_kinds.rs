//! xattr(7): which files have attributes of which kind, and who sees them.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    yes!(t; "a fifo": mkfifo(c"p".as_ptr(), 0o666); "a device": mknod(c"c".as_ptr(), S_IFCHR | 0o666, makedev(1, 3));
        "a socket": mknod(c"s".as_ptr(), S_IFSOCK | 0o666, 0); "for all": chmod(c"d".as_ptr(), 0o1777);
        "all write": chmod(c"f".as_ptr(), 0o666););
    let set = |path: &CStr, name: &CStr| {
        let value = c"v".as_ptr().cast();
        call!(lsetxattr(path.as_ptr(), name.as_ptr(), value, 1, 0))
    };
    let get =
        |path: &CStr, name: &CStr| call!(lgetxattr(path.as_ptr(), name.as_ptr(), null_mut(), 0));
    for path in [c"p", c"c", c"s"] {
        t.refused("no user's of what is no file", set(path, c"user.a"), EPERM);
        t.refused("nor is any asked for", get(path, c"user.a"), ENODATA);
        t.works("trusted ones", set(path, c"trusted.a"));
        t.same("are told", get(path, c"trusted.a"), Ok(1));
    }
    t.works("a folder's", set(c"d", c"user.a"));
    t.works("a trusted one", set(c"f", c"trusted.a"));
    t.works("a user's", set(c"f", c"user.a"));
    as_nobody(t, |t| {
        t.refused(
            "trusted ones are not seen",
            get(c"f", c"trusted.a"),
            ENODATA,
        );
        t.refused("nor set", set(c"f", c"trusted.a"), EPERM);
        let mut names = [0u8; 64];
        let size = call!(listxattr(c"f".as_ptr(), names.as_mut_ptr().cast(), 64));
        t.same("nor listed", size, Ok(7));
        t.works("a user's of who writes", set(c"f", c"user.b"));
        t.refused(
            "of a sticky folder, the owner's",
            set(c"d", c"user.b"),
            EPERM,
        );
        Ok(())
    })?;
    yes!(t; "only its owner": chmod(c"f".as_ptr(), 0o600););
    as_nobody(t, |t| {
        t.refused("who does not read", get(c"f", c"user.a"), EACCES);
        t.refused("who does not write", set(c"f", c"user.a"), EACCES);
        Ok(())
    })
}
