//! getrandom(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut bytes = [0u8; 64];
    let at = bytes.as_mut_ptr();
    t.same("some", raw!(SYS_getrandom, at, 64, 0), Ok(64));
    t.same("none", raw!(SYS_getrandom, at, 0, 0), Ok(0));
    t.same(
        "at once",
        raw!(SYS_getrandom, at, 16, GRND_NONBLOCK),
        Ok(16),
    );
    t.refused("a flag", raw!(SYS_getrandom, at, 16, 8), EINVAL);
    t.refused("both sources", raw!(SYS_getrandom, at, 16, 6), EINVAL);
    t.refused("nowhere", raw!(SYS_getrandom, 8, 16, 0), EFAULT);
    t.check("not all the same", bytes[..32] != bytes[32..]);
    Ok(())
}
