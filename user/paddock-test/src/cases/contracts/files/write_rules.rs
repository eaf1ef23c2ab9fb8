//! write(2): what cannot be written, and SIGPIPE.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let reading = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let [reader, writer] = sys::pipe()?;
    let at: *const c_void = b"xyz".as_ptr().cast();
    let bad = 8 as *const c_void;
    no!(t;
        "closed": write(999, at, 1) => EBADF;
        "only read": write(reading, at, 1) => EBADF;
        "only read, nothing": write(reading, at, 0) => EBADF;
        "the end that is read": write(reader, at, 1) => EBADF;
        "nowhere": write(fd, bad, 1) => EFAULT;
        "nowhere, to a pipe": write(writer, bad, 1) => EFAULT;
    );
    t.same("nothing", call!(write(fd, bad, 0)), Ok(0));
    t.same("is as it was", text("f"), "abcdef".into());
    t.works("far", call!(lseek(fd, 10, SEEK_SET)));
    t.same("written beyond the end", call!(write(fd, at, 3)), Ok(3));
    t.same("leaves zeros", text("f"), "abcdef\0\0\0\0xyz".into());
    sys::close(reader)?;
    t.same("nothing to nobody", call!(write(writer, at, 0)), Ok(0));
    let end = sys::in_child(|| {
        // SAFETY: the handler is none.
        unsafe { signal(SIGPIPE, SIG_DFL) };
        let _ = raw!(SYS_write, writer, at, 1);
        0
    });
    t.same("nobody reads", end, Ok(End::Killed(SIGPIPE)));
    t.works("SIGPIPE is ignored", ignore(SIGPIPE));
    no!(t; "says so": write(writer, at, 1) => EPIPE;);
    let full = call!(open(c"/dev/full".as_ptr(), O_WRONLY))?;
    no!(t; "a full device": write(full, at, 1) => ENOSPC;);
    Ok(())
}
