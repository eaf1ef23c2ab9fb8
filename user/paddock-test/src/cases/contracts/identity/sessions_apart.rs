//! setpgid(2): a child that has called execve(2), another session, getpgid(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: have no conditions.
    let (own, group) = unsafe { (getpid(), getpgid(0)) };
    let child = sleeper()?;
    t.same("begins in its parent's", call!(getpgid(child)), Ok(group));
    yes!(t; "a group of its own": setpgid(child, 0););
    t.same("has its number", call!(getpgid(child)), Ok(child));
    yes!(t; "back": setpgid(child, group););
    no!(t; "a group of nobody's": setpgid(child, NOBODYS) => EPERM;
        "a negative group": setpgid(child, -1) => EINVAL;);
    end(child)?;
    no!(t; "who has ended": setpgid(child, 0) => ESRCH;);
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let _ = call!(setsid());
        let _ = sys::write(writer, b"x");
        sys::sleep_ms(60_000);
        0
    })?;
    sys::read(reader, &mut [0])?;
    no!(t; "in another session": setpgid(child, 0) => EPERM;
        "into another session's": setpgid(0, child) => EPERM;);
    t.same("its session", call!(getsid(child)), Ok(child));
    t.same("and group", call!(getpgid(child)), Ok(child));
    end(child)?;
    let (reader, writer) = (sys::pipe()?, sys::pipe()?);
    let child = sys::fork(|| {
        // SAFETY: descriptors of its own.
        unsafe { (dup2(reader[0], 0), dup2(writer[1], 1)) };
        let words = [c"cat".as_ptr(), null()];
        // SAFETY: the words end with a null pointer.
        unsafe { execvp(c"cat".as_ptr(), words.as_ptr()) };
        9
    })?;
    sys::write_all(reader[1], b"x")?;
    t.same(
        "another program runs",
        sys::read(writer[0], &mut [0]),
        Ok(1),
    );
    no!(t; "which decides itself": setpgid(child, child) => EACCES;);
    end(child)?;
    t.check("this one is not moved", call!(getpgid(own)) == Ok(group));
    Ok(())
}
