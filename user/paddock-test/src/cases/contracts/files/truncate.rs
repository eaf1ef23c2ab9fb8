//! truncate(2) and ftruncate(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    yes!(t; "a fifo": mkfifo(c"p".as_ptr(), 0o644););
    let reading = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let writing = call!(open(c"f".as_ptr(), O_WRONLY))?;
    let [pipe, _] = sys::pipe()?;
    no!(t;
        "a negative length": truncate(c"f".as_ptr(), -1) => EINVAL;
        "a negative length of an open one": ftruncate(writing, -1) => EINVAL;
        "what is read": ftruncate(reading, 0) => EINVAL;
        "a pipe": ftruncate(pipe, 0) => EINVAL;
        "a fifo's name": truncate(c"p".as_ptr(), 0) => EINVAL;
        "closed": ftruncate(999, 0) => EBADF;
        "nothing": truncate(c"no".as_ptr(), 0) => ENOENT;
    );
    yes!(t; "longer": ftruncate(writing, 5););
    t.same("with zeros", text("f"), "abc\0\0".into());
    yes!(t; "shorter": truncate(c"f".as_ptr(), 1););
    t.same("is cut", text("f"), "a".into());
    t.works("SIGXFSZ is ignored", ignore(SIGXFSZ));
    let mut limit = rlimit {
        rlim_cur: 10,
        rlim_max: RLIM_INFINITY,
    };
    call!(setrlimit(RLIMIT_FSIZE, &raw const limit))?;
    let longer = call!(ftruncate(writing, 11));
    let beyond = call!(pwrite(writing, b"x".as_ptr().cast(), 1, 10));
    let part = call!(pwrite(writing, b"xyz".as_ptr().cast(), 3, 8));
    // What is told may go to a file as well.
    limit.rlim_cur = RLIM_INFINITY;
    call!(setrlimit(RLIMIT_FSIZE, &raw const limit))?;
    t.refused("beyond it", longer, EFBIG);
    t.refused("written beyond it", beyond, EFBIG);
    t.same("up to it", part, Ok(2));
    Ok(())
}
