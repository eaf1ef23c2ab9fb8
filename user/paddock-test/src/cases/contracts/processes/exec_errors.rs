//! execve(2): paths, words and rights that it refuses.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("plain", b"no program")?;
    file("run", b"no program")?;
    folder("closed")?;
    file("closed/run", b"no program")?;
    yes!(t; "to be run": chmod(c"run".as_ptr(), 0o755); "so is this": chmod(c"closed/run".as_ptr(), 0o755);
        "closed": chmod(c"closed".as_ptr(), 0o700); "a circle": symlink(c"o".as_ptr(), c"o".as_ptr());
        "root's": mkfifo(c"fifo".as_ptr(), 0o755););
    let words = [c"x".as_ptr(), null()];
    let run_ = |path: &CStr| call!(execve(path.as_ptr(), words.as_ptr(), words[1..].as_ptr()));
    let long = word(&"x".repeat(256));
    let path = word(&"d/".repeat(2050));
    t.refused("a long name", run_(&long), ENAMETOOLONG);
    t.refused("a long path", run_(&path), ENAMETOOLONG);
    t.refused("nothing", run_(c"no"), ENOENT);
    t.refused("no name", run_(c""), ENOENT);
    t.refused("through a file", run_(c"run/x"), ENOTDIR);
    t.refused("a circle is none", run_(c"o"), ELOOP);
    t.refused("not to be run", run_(c"plain"), EACCES);
    t.refused("a fifo", run_(c"fifo"), EACCES);
    t.refused("a device", run_(c"/dev/null"), EACCES);
    t.refused("no program", run_(c"run"), ENOEXEC);
    t.refused("nowhere", raw!(SYS_execve, 8, words.as_ptr(), 0), EFAULT);
    t.refused(
        "words nowhere",
        raw!(SYS_execve, c"run".as_ptr(), 8, 0),
        EFAULT,
    );
    t.refused(
        "an environment nowhere",
        raw!(SYS_execve, c"run".as_ptr(), words.as_ptr(), 8),
        EFAULT,
    );
    let bad = [8 as *const c_char, null()];
    t.refused(
        "a word nowhere",
        raw!(SYS_execve, c"run".as_ptr(), bad.as_ptr(), 0),
        EFAULT,
    );
    let limit = rlimit {
        rlim_cur: 8 << 20,
        rlim_max: RLIM_INFINITY,
    };
    yes!(t; "a stack's limit": setrlimit(RLIMIT_STACK, &raw const limit););
    let piece = word(&"y".repeat(100_000));
    let mut many = vec![piece.as_ptr(); 30];
    many.push(null());
    t.refused(
        "more than a quarter of it",
        raw!(SYS_execve, c"run".as_ptr(), many.as_ptr(), 0),
        E2BIG,
    );
    as_nobody(t, |t| {
        t.refused("in a closed folder", run_(c"closed/run"), EACCES);
        Ok(())
    })?;
    let writing = opened("run", O_RDWR)?;
    t.refused("while it is written", run_(c"run"), ETXTBSY);
    sys::close(writing)?;
    Ok(())
}
