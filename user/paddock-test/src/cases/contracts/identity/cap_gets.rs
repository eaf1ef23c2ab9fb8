//! capget(2): versions, and whose.
use crate::cases::contracts::prelude::*;

const V1: u32 = 0x1998_0330;
const V2: u32 = 0x2007_1026;
const V3: u32 = 0x2008_0522;

pub fn run(t: &mut Report) -> Outcome {
    let mut data = [0u32; 6];
    let at = data.as_mut_ptr();
    let get = |version: u32, pid: i32, at: *mut u32| {
        let mut header = [version, pid as u32];
        let result = raw!(SYS_capget, header.as_mut_ptr(), at).map(drop);
        (result, header[0])
    };
    for version in [V1, V2, V3] {
        t.same("a version", get(version, 0, at), (Ok(()), version));
    }
    t.same(
        "none that there is",
        get(0, 0, at),
        (Err(Errno(EINVAL)), V3),
    );
    t.same("a question which", get(0, 0, null_mut()), (Ok(()), V3));
    t.same("a negative process", get(V3, -1, at).0, Err(Errno(EINVAL)));
    t.same("nobody", get(V3, 0x3fff_fff0, at).0, Err(Errno(ESRCH)));
    t.same(
        "to nowhere",
        get(V3, 0, 8 as *mut u32).0,
        Err(Errno(EFAULT)),
    );
    t.refused("of nowhere", raw!(SYS_capget, 8, at), EFAULT);
    t.works("one's own, by number", get(V3, own_pid(), at).0);
    let own = data;
    t.check("root has some", own[0] != 0 && own[1] != 0);
    let line = line_of("/proc/self/status", "CapEff:");
    let told = u64::from_str_radix(&line, 16).unwrap_or(0);
    t.same(
        "as /proc tells",
        told,
        u64::from(own[0]) | u64::from(own[3]) << 32,
    );
    as_nobody(t, |t| {
        let mut data = [9u32; 6];
        t.works("nobody's own", get(V3, 0, data.as_mut_ptr()).0);
        t.same("are none", data, [0; 6]);
        t.works("another's", get(V3, 1, data.as_mut_ptr()).0);
        t.check("may be seen", data[0] != 0);
        Ok(())
    })
}
