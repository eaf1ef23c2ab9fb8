//! swapon(2), swapoff(2), vhangup(2), acct(2), reboot(2): root's.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[0; 8192])?;
    let path = c"f".as_ptr();
    as_nobody(t, |t| {
        t.refused("swapon", raw!(SYS_swapon, path, 0), EPERM);
        t.refused("swapoff", raw!(SYS_swapoff, path), EPERM);
        t.refused("vhangup", raw!(SYS_vhangup), EPERM);
        t.refused("chroot", raw!(SYS_chroot, c"/".as_ptr()), EPERM);
        t.refused(
            "reboot",
            raw!(
                SYS_reboot,
                0xfee1_deadu32,
                672_274_793u32,
                0x1234_5678u32,
                0
            ),
            EPERM,
        );
        Ok(())
    })?;
    t.refused("a wrong number", raw!(SYS_reboot, 1, 2, 0, 0), EINVAL);
    t.refused(
        "no such command",
        raw!(
            SYS_reboot,
            0xfee1_deadu32,
            672_274_793u32,
            0x1357_9bdfu32,
            0
        ),
        EINVAL,
    );
    t.refused("no swap", raw!(SYS_swapon, path, 0), EINVAL);
    t.refused("no such file", raw!(SYS_swapon, c"no".as_ptr(), 0), ENOENT);
    t.refused("a flag", raw!(SYS_swapon, path, 0x100_0000), EINVAL);
    t.refused("not in use", raw!(SYS_swapoff, path), EINVAL);
    t.refused("nothing", raw!(SYS_swapoff, c"no".as_ptr()), ENOENT);
    Ok(())
}
