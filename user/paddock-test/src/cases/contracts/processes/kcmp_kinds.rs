//! kcmp(2): what two processes share.
use crate::cases::contracts::prelude::*;

const FILE: i32 = 0;
const VM: i32 = 1;
const FILES: i32 = 2;
const FS: i32 = 3;
const SIGHAND: i32 = 4;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let own = own_pid();
    let ask = |other: i32, kind: i32, a: u64, b: u64| raw!(SYS_kcmp, own, other, kind, a, b);
    let (one, other) = (opened("f", O_RDONLY)?, opened("f", O_RDONLY)?);
    let twin = call!(dup(one))?;
    t.same(
        "a descriptor and its copy",
        ask(own, FILE, one as u64, twin as u64),
        Ok(0),
    );
    let order = ask(own, FILE, one as u64, other as u64)?;
    t.check("two openings have an order", order == 1 || order == 2);
    t.same(
        "and the other",
        ask(own, FILE, other as u64, one as u64),
        Ok(3 - order),
    );
    for kind in [VM, FILES, FS, SIGHAND] {
        t.same("one's own", ask(own, kind, 0, 0), Ok(0));
    }
    let child = sys::fork(|| {
        sys::sleep_ms(60_000);
        0
    })?;
    t.same(
        "a child's descriptor",
        ask(child, FILE, one as u64, one as u64),
        Ok(0),
    );
    for kind in [VM, FILES, FS, SIGHAND] {
        t.check(
            "a child has its own",
            ask(child, kind, 0, 0).is_ok_and(|it| it == 1 || it == 2),
        );
    }
    t.refused("closed", ask(own, FILE, 999, one as u64), EBADF);
    t.refused("closed there", ask(child, FILE, one as u64, 999), EBADF);
    t.refused("no kind", ask(own, 99, 0, 0), EINVAL);
    t.refused("a negative kind", ask(own, -1, 0, 0), EINVAL);
    t.refused("nobody", ask(0x3fff_fff0, VM, 0, 0), ESRCH);
    t.refused("process 0", ask(0, VM, 0, 0), ESRCH);
    as_nobody(t, |t| {
        t.refused(
            "nobody may not ask",
            raw!(SYS_kcmp, own, own_pid(), VM, 0, 0),
            EPERM,
        );
        Ok(())
    })?;
    sys::kill(child, SIGKILL)?;
    sys::wait(child)?;
    Ok(())
}
