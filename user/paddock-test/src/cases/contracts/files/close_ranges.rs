//! close_range(2) and close(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let range = |first: u32, last: u32, flags: u32| raw!(SYS_close_range, first, last, flags);
    t.refused("backwards", range(10, 9, 0), EINVAL);
    t.refused("a flag", range(10, 10, 1), EINVAL);
    for fd in 20..24 {
        call!(dup2(1, fd))?;
    }
    t.same("to be closed on exec", range(21, 22, 4), Ok(0));
    t.same("one of them", call!(fcntl(21, F_GETFD)), Ok(FD_CLOEXEC));
    t.same("one that is not", call!(fcntl(23, F_GETFD)), Ok(0));
    t.same("closed", range(21, u32::MAX, 0), Ok(0));
    no!(t; "is gone": fcntl(21, F_GETFD) => EBADF; "closed twice": close(21) => EBADF; "a negative one": close(-1) => EBADF;);
    yes!(t; "one before": fcntl(20, F_GETFD););
    Ok(())
}
