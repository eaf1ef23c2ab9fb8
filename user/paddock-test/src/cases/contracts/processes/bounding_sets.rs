//! prctl(2): PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_SET_SECUREBITS.
use crate::cases::contracts::prelude::*;

fn control(what: i32, words: [usize; 4]) -> Result<i64, Errno> {
    raw!(SYS_prctl, what, words[0], words[1], words[2], words[3])
}

pub fn run(t: &mut Report) -> Outcome {
    const NONE: usize = 63;
    const CHOWN: usize = 0;
    let ambient = |what: i32, right: usize| control(PR_CAP_AMBIENT, [what as usize, right, 0, 0]);
    let is_set = |right: usize| ambient(PR_CAP_AMBIENT_IS_SET, right);
    t.refused(
        "no such right",
        control(PR_CAPBSET_DROP, [NONE, 0, 0, 0]),
        EINVAL,
    );
    t.refused("no such right there", is_set(NONE), EINVAL);
    t.refused("no such word", ambient(9, 0), EINVAL);
    t.refused("more words", control(PR_CAP_AMBIENT, [1, 0, 1, 0]), EINVAL);
    t.refused(
        "all, with a right",
        ambient(PR_CAP_AMBIENT_CLEAR_ALL, 1),
        EINVAL,
    );
    t.refused(
        "not inheritable",
        ambient(PR_CAP_AMBIENT_RAISE, CHOWN),
        EPERM,
    );
    t.same("is not set", is_set(CHOWN), Ok(0));
    as_nobody(t, |t| {
        t.refused("who may not", control(PR_CAPBSET_DROP, [1, 0, 0, 0]), EPERM);
        t.refused(
            "nor bits",
            control(PR_SET_SECUREBITS, [0x2f, 0, 0, 0]),
            EPERM,
        );
        Ok(())
    })?;
    let header = [0x2008_0522u32, 0];
    let mut sets = [0u32; 6];
    raw!(SYS_capget, header.as_ptr(), sets.as_mut_ptr())?;
    sets[2] |= 1;
    t.works(
        "inheritable",
        raw!(SYS_capset, header.as_ptr(), sets.as_ptr()),
    );
    t.works("raised", ambient(PR_CAP_AMBIENT_RAISE, CHOWN));
    t.same("is set", is_set(CHOWN), Ok(1));
    t.same(
        "in /proc",
        field("/proc/self/status", "CapAmb"),
        format!("{:016x}", 1),
    );
    t.works("lowered", ambient(PR_CAP_AMBIENT_LOWER, CHOWN));
    t.same("is not", is_set(CHOWN), Ok(0));
    t.works("again", ambient(PR_CAP_AMBIENT_RAISE, CHOWN));
    t.works("all", ambient(PR_CAP_AMBIENT_CLEAR_ALL, 0));
    t.same("are cleared", is_set(CHOWN), Ok(0));
    t.works("bits", control(PR_SET_SECUREBITS, [0x40, 0, 0, 0]));
    t.refused(
        "none may raise",
        ambient(PR_CAP_AMBIENT_RAISE, CHOWN),
        EPERM,
    );
    t.same("are told", control(PR_GET_SECUREBITS, [0; 4]), Ok(0x40));
    t.refused(
        "unknown bits",
        control(PR_SET_SECUREBITS, [0x1_0000, 0, 0, 0]),
        EPERM,
    );
    t.works("locked", control(PR_SET_SECUREBITS, [0x2f, 0, 0, 0]));
    t.refused(
        "and not undone",
        control(PR_SET_SECUREBITS, [0, 0, 0, 0]),
        EPERM,
    );
    Ok(())
}
