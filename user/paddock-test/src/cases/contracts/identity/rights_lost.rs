//! capabilities(7): which sets change with the user.
use crate::cases::contracts::prelude::*;

/// Whether the sets CapPrm, CapEff and CapAmb are empty.
fn empty() -> [bool; 3] {
    ["CapPrm", "CapEff", "CapAmb"].map(|name| {
        field("/proc/self/status", name)
            .trim_start_matches('0')
            .is_empty()
    })
}

pub fn run(t: &mut Report) -> Outcome {
    const SAME: u32 = u32::MAX;
    t.same(
        "root has all but the ambient",
        empty(),
        [false, false, true],
    );
    apart(t, |t| {
        raw!(SYS_setresuid, SAME, 7, SAME)?;
        t.same("another effective one", empty(), [false, true, true]);
        raw!(SYS_setresuid, SAME, 0, SAME)?;
        t.same("and back", empty(), [false, false, true]);
        raw!(SYS_setresuid, 7, 7, 0)?;
        t.same("the saved one is root's", empty(), [false, true, true]);
        raw!(SYS_setresuid, 7, 7, 7)?;
        t.same("none is", empty(), [true, true, true]);
        Ok(())
    })?;
    apart(t, |t| {
        t.works("kept", raw!(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0));
        raw!(SYS_setresuid, 7, 7, 7)?;
        t.same("are had, and not in force", empty(), [false, true, true]);
        Ok(())
    })?;
    apart(t, |t| {
        t.works("no fixing", raw!(SYS_prctl, PR_SET_SECUREBITS, 4, 0, 0, 0));
        raw!(SYS_setresuid, 7, 7, 7)?;
        t.same("changes nothing", empty(), [false, false, true]);
        t.works("root by a right", raw!(SYS_setresuid, 0, 0, 0));
        Ok(())
    })?;
    apart(t, |t| {
        t.works(
            "a right falls",
            raw!(SYS_prctl, PR_CAPBSET_DROP, 7, 0, 0, 0),
        );
        t.works("which was had already", raw!(SYS_setresuid, 1, 0, 0));
        t.same(
            "it is not in the bound",
            raw!(SYS_prctl, PR_CAPBSET_READ, 7, 0, 0, 0),
            Ok(0),
        );
        Ok(())
    })
}
