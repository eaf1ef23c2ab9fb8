//! setuid(2), setreuid(2), setresuid(2): which of the three change, and who may.
use crate::cases::contracts::prelude::*;

const SAME: u32 = u32::MAX;

fn users() -> [u32; 4] {
    let word = field("/proc/self/status", "Uid");
    let mut all = word.split_whitespace().map(|it| it.parse().unwrap_or(SAME));
    [0; 4].map(|_: u32| all.next().unwrap_or(SAME))
}

fn all(real: u32, effective: u32, saved: u32) -> Result<i64, Errno> {
    raw!(SYS_setresuid, real, effective, saved)
}

fn two(real: u32, effective: u32) -> Result<i64, Errno> {
    raw!(SYS_setreuid, real, effective)
}

pub fn run(t: &mut Report) -> Outcome {
    t.refused("-1 is nobody's", raw!(SYS_setuid, SAME), EINVAL);
    apart(t, |t| {
        t.works("root's", raw!(SYS_setuid, 7));
        t.same("are all four", users(), [7; 4]);
        t.refused("and not back", raw!(SYS_setuid, 0), EPERM);
        Ok(())
    })?;
    apart(t, |t| {
        t.works("three", all(1, 2, 3));
        t.same("with the filesystem's", users(), [1, 2, 3, 2]);
        t.refused("another real one", two(4, SAME), EPERM);
        t.refused("the saved as real", two(3, SAME), EPERM);
        t.refused("another effective one", two(SAME, 4), EPERM);
        t.works("the saved as effective", two(SAME, 3));
        t.same("so", users(), [1, 3, 3, 3]);
        t.works("the real as effective", two(SAME, 1));
        t.same("so it stays saved", users(), [1, 1, 3, 1]);
        t.works("setuid", raw!(SYS_setuid, 3));
        t.same("takes one", users(), [1, 3, 3, 3]);
        t.works("the effective as real", two(3, SAME));
        t.same("which saves it", users(), [3; 4]);
        t.refused("no other", all(SAME, SAME, 1), EPERM);
        t.works("nothing", all(SAME, SAME, SAME));
        Ok(())
    })?;
    apart(t, |t| {
        t.works("real and effective", two(5, 6));
        t.same("save the effective", users(), [5, 6, 6, 6]);
        t.works("turned", two(6, 5));
        t.same("save the other", users(), [6, 5, 5, 5]);
        Ok(())
    })?;
    apart(t, |t| {
        t.works("only the effective", two(SAME, 6));
        t.same(
            "is saved when it is not the real one",
            users(),
            [0, 6, 6, 6],
        );
        t.works("back", two(SAME, 0));
        t.same("root again", users(), [0, 0, 6, 0]);
        Ok(())
    })
}
