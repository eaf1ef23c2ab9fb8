//! keyrings(7): who may see, read and change a key.
use super::*;
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        t.works("a session", control(JOIN_SESSION, [0, 0, 0]));
        let own = user(c"own", SESSION)?;
        let shown = user(c"shown", SESSION)?;
        t.works(
            "to be seen and read",
            control(SETPERM, [shown, 0x3f00_0003, 0]),
        );
        t.refused(
            "no such rights",
            control(SETPERM, [own, 0x4000_0000, 0]),
            EINVAL,
        );
        as_nobody(t, |t| {
            t.works("a session of its own", control(JOIN_SESSION, [0, 0, 0]));
            t.refused("not read", content(own), EACCES);
            t.refused("not seen", described(own), EACCES);
            t.refused("not changed", control(SETPERM, [own, 0, 0]), EACCES);
            t.refused("not ended", control(REVOKE, [own, 0, 0]), EACCES);
            t.same("read", content(shown), Ok(b"payload".to_vec()));
            t.works("seen", described(shown));
            t.refused("not linked to", control(LINK, [shown, PROCESS, 0]), EACCES);
            let mine = user(c"mine", PROCESS)?;
            t.works("no right to itself", control(SETPERM, [mine, 0, 0]));
            t.refused("so none", content(mine), EACCES);
            let keys = text("/proc/keys");
            t.check("is not listed", !keys.contains(" own: 7"));
            t.check("another's is", keys.contains(" shown: 7"));
            Ok(())
        })
    })
}
