//! prctl(2): words that are wrong, and values that are kept.
use crate::cases::contracts::prelude::*;

fn set(what: i32, second: usize, third: usize) -> Result<i64, Errno> {
    raw!(SYS_prctl, what, second, third, 0, 0)
}

pub fn run(t: &mut Report) -> Outcome {
    t.refused("no such thing", set(9999, 0, 0), EINVAL);
    t.refused("no signal", set(PR_SET_PDEATHSIG, 65, 0), EINVAL);
    t.refused(
        "dumpable as only the kernel says",
        set(PR_SET_DUMPABLE, 2, 0),
        EINVAL,
    );
    t.refused("dumpable, unknown", set(PR_SET_DUMPABLE, 9, 0), EINVAL);
    t.refused("no such right", set(PR_CAPBSET_READ, 64, 0), EINVAL);
    t.refused(
        "capabilities kept, unknown",
        set(PR_SET_KEEPCAPS, 2, 0),
        EINVAL,
    );
    t.refused("a name nowhere", set(PR_SET_NAME, 8, 0), EFAULT);
    t.refused("new privileges", set(PR_SET_NO_NEW_PRIVS, 0, 0), EINVAL);
    t.refused("with more words", set(PR_SET_NO_NEW_PRIVS, 1, 1), EINVAL);
    t.refused("asked with a word", set(PR_GET_NO_NEW_PRIVS, 1, 0), EINVAL);
    t.refused("unaligned accesses", set(PR_GET_UNALIGN, 8, 0), EINVAL);
    t.same("timing is statistical", set(PR_GET_TIMING, 0, 0), Ok(0));
    t.refused("there is no other", set(PR_SET_TIMING, 1, 0), EINVAL);
    t.works(
        "a long name",
        set(PR_SET_NAME, c"0123456789abcdefgh".as_ptr() as usize, 0),
    );
    let mut name = [0u8; 16];
    t.works("asked", set(PR_GET_NAME, name.as_mut_ptr() as usize, 0));
    t.same("is cut", name, *b"0123456789abcde\0");
    t.works("slack", set(PR_SET_TIMERSLACK, 1234, 0));
    t.same("is kept", set(PR_GET_TIMERSLACK, 0, 0), Ok(1234));
    t.works("no slack", set(PR_SET_TIMERSLACK, 0, 0));
    t.same("is as at first", set(PR_GET_TIMERSLACK, 0, 0), Ok(50_000));
    huge_pages(t)?;
    t.works("a subreaper", set(PR_SET_CHILD_SUBREAPER, 5, 0));
    let mut on = 0i32;
    t.works(
        "asked of that",
        set(PR_GET_CHILD_SUBREAPER, &raw mut on as usize, 0),
    );
    t.same("it is one", on, 1);
    Ok(())
}

/// That no huge pages are wanted is kept, for children too.
fn huge_pages(t: &mut Report) -> Outcome {
    const SET: i32 = 41;
    const GET: i32 = 42;
    t.same("huge pages are wanted", set(GET, 0, 0), Ok(0));
    t.refused("set with more words", set(SET, 1, 1), EINVAL);
    t.refused("asked with a word too", set(GET, 1, 0), EINVAL);
    t.works("they are not", set(SET, 5, 0));
    t.same("which is one", set(GET, 0, 0), Ok(1));
    let child = sys::in_child(|| i32::from(set(GET, 0, 0) != Ok(1)))?;
    t.same("for a child too", child, End::Exited(0));
    t.works("again", set(SET, 0, 0));
    t.same("they are", set(GET, 0, 0), Ok(0));
    Ok(())
}
