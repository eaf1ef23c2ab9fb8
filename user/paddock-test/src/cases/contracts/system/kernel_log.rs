//! syslog(2): what is asked of the kernel's log, and by whom.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut bytes = [0u8; 64];
    let at = bytes.as_mut_ptr();
    let go = |what: i32, at: *mut u8, length: i32| raw!(SYS_syslog, what, at, length);
    t.refused("no such thing", go(100, at, 8), EINVAL);
    t.refused("a negative one", go(-1, at, 8), EINVAL);
    t.refused("nowhere", go(3, null_mut(), 8), EINVAL);
    t.refused("a negative length", go(3, at, -1), EINVAL);
    t.same("none", go(3, at, 0), Ok(0));
    t.refused("no level", go(8, null_mut(), 0), EINVAL);
    t.refused("one too high", go(8, null_mut(), 9), EINVAL);
    t.refused("a negative level", go(8, null_mut(), -1), EINVAL);
    t.same("closed", go(0, null_mut(), 0), Ok(0));
    t.same("opened", go(1, null_mut(), 0), Ok(0));
    t.check("its size", go(10, null_mut(), 0).is_ok_and(|it| it >= 4096));
    as_nobody(t, |t| {
        t.refused("nobody's level", go(8, null_mut(), 7), EPERM);
        t.refused("nor does it empty it", go(5, null_mut(), 0), EPERM);
        t.refused("or read", go(2, at, 8), EPERM);
        Ok(())
    })
}
