//! capset(2): what a thread may give itself, and what not.
use crate::cases::contracts::prelude::*;

const V3: u32 = 0x2008_0522;
const KILL: u32 = 1 << 5;
const SETUID: u32 = 1 << 7;
const NET_RAW: u32 = 1 << 13;

fn set(pid: i32, effective: u32, permitted: u32, inheritable: u32) -> Result<(), Errno> {
    let mut header = [V3, pid as u32];
    let data = [effective, permitted, inheritable, 0, 0, 0];
    raw!(SYS_capset, header.as_mut_ptr(), data.as_ptr()).map(drop)
}

fn get() -> Result<[u32; 3], Errno> {
    let mut header = [V3, 0];
    let mut data = [0u32; 6];
    raw!(SYS_capget, header.as_mut_ptr(), data.as_mut_ptr())?;
    Ok([data[0], data[1], data[2]])
}

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        let mut none = [0u32, 0];
        t.refused("no version", raw!(SYS_capset, none.as_mut_ptr(), 0), EINVAL);
        t.same("tells which", none[0], V3);
        let mut good = [V3, 0];
        t.refused("of nowhere", raw!(SYS_capset, 8, 0), EFAULT);
        t.refused("nowhere", raw!(SYS_capset, good.as_mut_ptr(), 8), EFAULT);
        t.refused("a negative process", set(-1, 0, 0, 0), EPERM);
        t.refused("another", set(1, 0, 0, 0), EPERM);
        t.works("fewer", set(0, KILL, KILL | SETUID, 0));
        t.same("are told", get(), Ok([KILL, KILL | SETUID, 0]));
        t.refused(
            "more than permitted",
            set(0, KILL | NET_RAW, KILL | SETUID, 0),
            EPERM,
        );
        t.refused(
            "more permitted",
            set(0, KILL, KILL | SETUID | NET_RAW, 0),
            EPERM,
        );
        t.refused(
            "inherited, but not permitted",
            set(0, 0, KILL, NET_RAW),
            EPERM,
        );
        t.works(
            "inherited",
            set(own_pid(), KILL | SETUID, KILL | SETUID, SETUID),
        );
        t.same(
            "told as well",
            get(),
            Ok([KILL | SETUID, KILL | SETUID, SETUID]),
        );
        t.works("none", set(0, 0, 0, SETUID));
        t.refused("none comes back", set(0, KILL, KILL, 0), EPERM);
        t.works("what is inherited stays", set(0, 0, 0, SETUID));
        t.refused("root is nobody now", call!(setuid(5)), EPERM);
        Ok(())
    })?;
    apart(t, |t| {
        raw!(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0)?;
        become_user(NOBODY, NOBODY)?;
        let [effective, permitted, _] = get()?;
        t.same(
            "kept, but not in force",
            (effective, permitted != 0),
            (0, true),
        );
        t.works("in force", set(0, KILL, KILL, 0));
        t.works("anybody may be killed", call!(kill(1, 0)));
        t.works("no more", set(0, 0, 0, 0));
        t.refused("now not", call!(kill(1, 0)), EPERM);
        Ok(())
    })
}
