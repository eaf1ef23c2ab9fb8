//! prlimit(2), getrlimit(2), setrlimit(2): whose, and what is no limit.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut old = [0u64; 2];
    let limit = |pid: i32, what: u32, new: *const u64, old: *mut u64| {
        raw!(SYS_prlimit64, pid, what, new, old).map(drop)
    };
    let at = old.as_mut_ptr();
    for what in 0..16 {
        t.works("each is told", limit(0, what, null(), at));
        t.check("no more than the most", old[0] <= old[1]);
    }
    t.refused("none", limit(0, 16, null(), at), EINVAL);
    t.refused(
        "to nowhere",
        limit(0, RLIMIT_CORE as u32, null(), 8 as *mut u64),
        EFAULT,
    );
    t.refused(
        "nowhere",
        limit(0, RLIMIT_CORE as u32, 8 as *const u64, null_mut()),
        EFAULT,
    );
    t.refused("nobody's", limit(0x3fff_fff0, 0, null(), at), ESRCH);
    let child = sys::fork(|| {
        sys::sleep_ms(60_000);
        0
    })?;
    let new = [11u64, 22];
    t.works(
        "a child's",
        limit(child, RLIMIT_CORE as u32, new.as_ptr(), at),
    );
    t.works("is read", limit(child, RLIMIT_CORE as u32, null(), at));
    t.same("as it was set", old, new);
    let wrong = [23u64, 22];
    t.refused(
        "above its most",
        limit(child, RLIMIT_CORE as u32, wrong.as_ptr(), null_mut()),
        EINVAL,
    );
    let listed = text(&format!("/proc/{child}/limits"));
    let line = listed
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap_or_default();
    let words: Vec<_> = line.split_whitespace().skip(4).take(2).collect();
    t.same("listed", words, vec!["11", "22"]);
    as_nobody(t, |t| {
        t.refused(
            "another's is not told",
            limit(child, 0, null(), old.as_mut_ptr()),
            EPERM,
        );
        t.works(
            "one's own is",
            limit(own_pid(), 0, null(), old.as_mut_ptr()),
        );
        Ok(())
    })?;
    sys::kill(child, SIGKILL)?;
    sys::wait(child)?;
    Ok(())
}
