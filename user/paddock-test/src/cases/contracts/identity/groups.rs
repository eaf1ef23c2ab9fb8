//! setpgid(2), setsid(2) and those that ask.
use crate::cases::contracts::prelude::*;

const NOBODY: i32 = 0x3fff_fff0;

pub fn run(t: &mut Report) -> Outcome {
    let end = sys::in_child(|| {
        let mut t = Report::new();
        // SAFETY: have no conditions.
        let (own, parent) = unsafe { (getpid(), getppid()) };
        no!(t;
            "a negative group": setpgid(0, -1) => EINVAL;
            "a negative process": setpgid(-1, 0) => EINVAL;
            "nobody": setpgid(NOBODY, 0) => ESRCH;
            "the parent": setpgid(parent, 0) => ESRCH;
            "a group that is not": setpgid(0, NOBODY) => EPERM;
            "whose is nobody's": getpgid(NOBODY) => ESRCH;
            "whose session": getsid(NOBODY) => ESRCH;
            "a negative one's": getpgid(-1) => ESRCH;
        );
        yes!(t; "a session": setsid(););
        t.same("is its own", call!(getsid(0)), Ok(own));
        t.same("and group", call!(getpgid(0)), Ok(own));
        no!(t; "another": setsid() => EPERM; "its leader stays": setpgid(0, 0) => EPERM;);
        let child = sys::fork(|| {
            sys::sleep_ms(60_000);
            0
        })
        .unwrap_or(-1);
        yes!(t; "a child's group": setpgid(child, child); "and back": setpgid(child, own););
        let _ = sys::kill(child, SIGKILL);
        let _ = sys::wait(child);
        i32::from(t.has_failed())
    });
    t.same("all of it", end, Ok(End::Exited(0)));
    Ok(())
}
