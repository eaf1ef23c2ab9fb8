//! flock(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let (one, two) = (
        call!(open(c"f".as_ptr(), O_RDONLY))?,
        call!(open(c"f".as_ptr(), O_RDONLY))?,
    );
    no!(t;
        "nothing": flock(one, 0) => EINVAL;
        "two things": flock(one, LOCK_SH | LOCK_EX) => EINVAL;
        "nothing, at once": flock(one, LOCK_NB) => EINVAL;
        "closed": flock(999, LOCK_SH) => EBADF;
    );
    yes!(t; "shared": flock(one, LOCK_SH | LOCK_NB); "by both": flock(two, LOCK_SH | LOCK_NB););
    no!(t; "by one alone": flock(one, LOCK_EX | LOCK_NB) => EAGAIN;);
    yes!(t; "given back": flock(two, LOCK_UN); "now alone": flock(one, LOCK_EX | LOCK_NB););
    no!(t; "the other": flock(two, LOCK_SH | LOCK_NB) => EAGAIN;);
    yes!(t; "again": flock(one, LOCK_EX | LOCK_NB); "to share": flock(one, LOCK_SH | LOCK_NB);
        "the other now": flock(two, LOCK_SH | LOCK_NB); "nothing given back": flock(one, LOCK_UN););
    let [pipe, _] = sys::pipe()?;
    yes!(t; "a pipe": flock(pipe, LOCK_EX););
    Ok(())
}
