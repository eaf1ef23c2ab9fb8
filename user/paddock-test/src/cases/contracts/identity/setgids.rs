//! setgid(2), setregid(2), setresgid(2): which of the three change, and who may.
use crate::cases::contracts::prelude::*;

const SAME: u32 = u32::MAX;

fn groups() -> [u32; 4] {
    let word = field("/proc/self/status", "Gid");
    let mut all = word.split_whitespace().map(|it| it.parse().unwrap_or(SAME));
    [0; 4].map(|_: u32| all.next().unwrap_or(SAME))
}

fn all(real: u32, effective: u32, saved: u32) -> Result<i64, Errno> {
    raw!(SYS_setresgid, real, effective, saved)
}

fn two(real: u32, effective: u32) -> Result<i64, Errno> {
    raw!(SYS_setregid, real, effective)
}

pub fn run(t: &mut Report) -> Outcome {
    t.refused("-1 is nobody's", raw!(SYS_setgid, SAME), EINVAL);
    apart(t, |t| {
        t.works("root's", raw!(SYS_setgid, 7));
        t.same("are all four", groups(), [7; 4]);
        t.works("and back", raw!(SYS_setgid, 0));
        t.works("three", all(1, 2, 3));
        t.same("with the filesystem's", groups(), [1, 2, 3, 2]);
        t.works("nobody", raw!(SYS_setresuid, NOBODY, NOBODY, NOBODY));
        t.refused("another real one", two(4, SAME), EPERM);
        t.refused("the saved as real", two(3, SAME), EPERM);
        t.refused("another effective one", two(SAME, 4), EPERM);
        t.works("the saved as effective", two(SAME, 3));
        t.same("so", groups(), [1, 3, 3, 3]);
        t.works("the real as effective", two(SAME, 1));
        t.same("stays saved", groups(), [1, 1, 3, 1]);
        t.works("setgid", raw!(SYS_setgid, 3));
        t.same("takes one", groups(), [1, 3, 3, 3]);
        t.refused("of its own", raw!(SYS_setgid, 9), EPERM);
        t.works("the effective as real", two(3, SAME));
        t.same("which saves it", groups(), [3; 4]);
        t.refused("no other", all(1, SAME, SAME), EPERM);
        t.works("nothing", all(SAME, SAME, SAME));
        Ok(())
    })?;
    apart(t, |t| {
        t.works("real and effective", two(5, 6));
        t.same("save the effective", groups(), [5, 6, 6, 6]);
        Ok(())
    })
}
