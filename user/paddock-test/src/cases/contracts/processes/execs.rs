//! execve(2) and execveat(2): what is not run.
use crate::cases::contracts::prelude::*;

fn run_at(folder: i32, path: &CStr, flags: i32) -> Result<i64, Errno> {
    let arguments = [path.as_ptr(), null()];
    raw!(
        SYS_execveat,
        folder,
        path.as_ptr(),
        arguments.as_ptr(),
        0,
        flags
    )
}

pub fn run(t: &mut Report) -> Outcome {
    file("plain", b"#!/bin/sh\n")?;
    file("text", b"no program")?;
    file("empty", b"")?;
    file("lost", b"#!/no/such/program\n")?;
    folder("d")?;
    yes!(t; "one": chmod(c"text".as_ptr(), 0o755); "another": chmod(c"lost".as_ptr(), 0o755);
        "a third": chmod(c"empty".as_ptr(), 0o755); "a link": symlink(c"text".as_ptr(), c"l".as_ptr()););
    t.refused("nothing", run_at(AT_FDCWD, c"no", 0), ENOENT);
    t.refused("no name", run_at(AT_FDCWD, c"", 0), ENOENT);
    t.refused("a folder", run_at(AT_FDCWD, c"d", 0), EACCES);
    t.refused("not to be run", run_at(AT_FDCWD, c"plain", 0), EACCES);
    t.refused("no program", run_at(AT_FDCWD, c"text", 0), ENOEXEC);
    t.refused("an empty one", run_at(AT_FDCWD, c"empty", 0), ENOEXEC);
    t.refused(
        "one without its interpreter",
        run_at(AT_FDCWD, c"lost", 0),
        ENOENT,
    );
    t.refused("through a file", run_at(AT_FDCWD, c"text/x", 0), ENOTDIR);
    t.refused("a flag", run_at(AT_FDCWD, c"text", 1), EINVAL);
    t.refused(
        "a link, not followed",
        run_at(AT_FDCWD, c"l", AT_SYMLINK_NOFOLLOW),
        ELOOP,
    );
    t.refused("in a closed folder", run_at(999, c"text", 0), EBADF);
    let fd = call!(open(c"text".as_ptr(), O_PATH))?;
    t.refused("by its descriptor", run_at(fd, c"", AT_EMPTY_PATH), ENOEXEC);
    let long = CString::new(vec![b'x'; 131_072]).unwrap_or_default();
    let arguments = [long.as_ptr(), null()];
    t.refused(
        "a long word",
        raw!(
            SYS_execveat,
            AT_FDCWD,
            c"text".as_ptr(),
            arguments.as_ptr(),
            0,
            0
        ),
        E2BIG,
    );
    t.refused(
        "words nowhere",
        raw!(SYS_execveat, AT_FDCWD, c"text".as_ptr(), 8, 0, 0),
        EFAULT,
    );
    let writing = call!(open(c"text".as_ptr(), O_WRONLY))?;
    t.refused("while it is written", run_at(AT_FDCWD, c"text", 0), ETXTBSY);
    sys::close(writing)?;
    Ok(())
}
