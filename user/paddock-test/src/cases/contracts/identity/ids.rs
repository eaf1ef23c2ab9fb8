//! setgroups(2), setresuid(2), capget(2), umask(2), personality(2), sethostname(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut list = [5 as gid_t, 4, 5];
    t.refused(
        "too many groups",
        raw!(SYS_setgroups, 65_537, list.as_ptr()),
        EINVAL,
    );
    t.refused(
        "fewer than none",
        raw!(SYS_setgroups, -1, list.as_ptr()),
        EINVAL,
    );
    t.works("three", raw!(SYS_setgroups, 3, list.as_ptr()));
    t.same("counted", raw!(SYS_getgroups, 0, 0), Ok(3));
    t.refused(
        "in too little",
        raw!(SYS_getgroups, 2, list.as_mut_ptr()),
        EINVAL,
    );
    t.same("had", raw!(SYS_getgroups, 3, list.as_mut_ptr()), Ok(3));
    t.same("in order", list, [4, 5, 5]);
    let mut header = [0x1234u32, 0];
    let mut data = [0u32; 6];
    t.refused(
        "no such version",
        raw!(SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()),
        EINVAL,
    );
    t.same("the right one is told", header[0], 0x2008_0522);
    header[0] = 0x1234;
    t.same(
        "asked only for that",
        raw!(SYS_capget, header.as_mut_ptr(), 0),
        Ok(0),
    );
    header = [0x2008_0522, 0x3fff_fff0];
    t.refused(
        "nobody's",
        raw!(SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()),
        ESRCH,
    );
    header[1] = u32::MAX;
    t.refused(
        "a negative number's",
        raw!(SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()),
        EINVAL,
    );
    t.refused(
        "a long name",
        raw!(SYS_sethostname, list.as_ptr(), 65),
        EINVAL,
    );
    t.refused(
        "a negative one",
        raw!(SYS_sethostname, list.as_ptr(), -1),
        EINVAL,
    );
    t.same("as it is", raw!(SYS_personality, 0xffff_ffffu32), Ok(0));
    let end = sys::in_child(|| {
        // SAFETY: have no conditions.
        let gone = unsafe { setresgid(7, 8, 9) == 0 && setresuid(1000, 1001, 1002) == 0 };
        let refused = call!(setresuid(5, u32::MAX, u32::MAX)) == Err(Errno(EPERM))
            && call!(setuid(5)) == Err(Errno(EPERM));
        // SAFETY: likewise.
        let turned =
            unsafe { setresuid(1002, 1000, 1001) == 0 && geteuid() == 1000 && getuid() == 1002 };
        let groups = raw!(SYS_setgroups, 0, 0) == Err(Errno(EPERM));
        i32::from(!(gone && refused && turned && groups))
    });
    t.same("among its own", end, Ok(End::Exited(0)));
    Ok(())
}
