//! What only the superuser may do to the whole machine: sethostname(2), reboot(2), swapon(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    as_nobody(t, |t| {
        t.refused("nor mounts", call!(chroot(c".".as_ptr())), EPERM);
        t.refused(
            "nor names the host",
            call!(sethostname(c"x".as_ptr(), 1)),
            EPERM,
        );
        t.refused(
            "nor the domain",
            raw!(SYS_setdomainname, c"x".as_ptr(), 1),
            EPERM,
        );
        t.refused(
            "nor ends all",
            raw!(SYS_reboot, 0xfee1_deadu32, 672_274_793, 0, 0),
            EPERM,
        );
        t.refused("nor swaps", raw!(SYS_swapon, c"none".as_ptr(), 0), EPERM);
        t.refused("nor swaps off", raw!(SYS_swapoff, c"none".as_ptr()), EPERM);
        Ok(())
    })?;
    t.refused(
        "a long host name",
        call!(sethostname(c"x".as_ptr(), 65)),
        EINVAL,
    );
    t.refused("a host name nowhere", raw!(SYS_sethostname, 8, 1), EFAULT);
    t.refused(
        "a long domain",
        raw!(SYS_setdomainname, c"x".as_ptr(), 65),
        EINVAL,
    );
    t.refused("a domain nowhere", raw!(SYS_setdomainname, 8, 1), EFAULT);
    t.refused(
        "another magic number",
        raw!(SYS_reboot, 1, 672_274_793, 0, 0),
        EINVAL,
    );
    t.refused(
        "another second",
        raw!(SYS_reboot, 0xfee1_deadu32, 1, 0, 0),
        EINVAL,
    );
    t.refused(
        "nothing to swap to",
        raw!(SYS_swapon, c"no".as_ptr(), 0),
        ENOENT,
    );
    t.refused(
        "nothing to swap from",
        raw!(SYS_swapoff, c"no".as_ptr()),
        ENOENT,
    );
    t.refused("swap nowhere", raw!(SYS_swapoff, 8), EFAULT);
    Ok(())
}
