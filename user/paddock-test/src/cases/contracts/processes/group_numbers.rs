//! getpgid(2), getsid(2), setpgid(2): whose group and session.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let own = own_pid();
    // SAFETY: take nothing.
    let (group, session, parent) = unsafe { (getpgrp(), getsid(0), getppid()) };
    t.same("one's own group", call!(getpgid(0)), Ok(group));
    t.same("by number", call!(getpgid(own)), Ok(group));
    t.same("a parent's", call!(getpgid(parent)), Ok(group));
    t.same("one's session by number", call!(getsid(own)), Ok(session));
    no!(t; "nobody's": getpgid(0x3fff_fff0) => ESRCH; "a negative": getpgid(-99) => ESRCH;
        "no session": getsid(0x3fff_fff0) => ESRCH; "nor a negative one": getsid(-1) => ESRCH;);
    apart(t, |t| {
        let own = own_pid();
        yes!(t; "a group of one's own": setpgid(0, 0););
        t.same("is told", call!(getpgid(0)), Ok(own));
        t.same("in the same session", call!(getsid(0)), Ok(session));
        let child = sys::fork(|| {
            sys::sleep_ms(60_000);
            0
        })?;
        t.same("a child is in it", call!(getpgid(child)), Ok(own));
        yes!(t; "in one of its own": setpgid(child, 0););
        t.same("is told of it", call!(getpgid(child)), Ok(child));
        yes!(t; "one joins it": setpgid(0, child); "and is back": setpgid(0, own););
        sys::kill(child, SIGKILL)?;
        t.same("by its group", call!(getpgid(child)), Ok(child));
        sys::wait(child)?;
        no!(t; "it is gone": setpgid(0, child) => EPERM; "its number": getpgid(child) => ESRCH;);
        let [reader, writer] = sys::pipe()?;
        let child = sys::fork(|| {
            let new = call!(setsid()).is_ok() && sys::write(writer, b"x").is_ok();
            sys::sleep_ms(60_000);
            unless(new)
        })?;
        sys::read(reader, &mut [0])?;
        t.same("a child's session", call!(getsid(child)), Ok(child));
        no!(t; "its leader is not moved": setpgid(child, own) => EPERM;
            "nor joined from elsewhere": setpgid(0, child) => EPERM;);
        sys::kill(child, SIGKILL)?;
        sys::wait(child)?;
        Ok(())
    })
}
