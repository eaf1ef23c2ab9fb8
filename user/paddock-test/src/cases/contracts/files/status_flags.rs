//! F_GETFL, F_SETFL and who gets SIGIO (fcntl(2)).
use crate::cases::contracts::prelude::*;

const DN_MULTISHOT: u32 = 0x8000_0000;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = call!(open(
        c"f".as_ptr(),
        O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
        0o644
    ))?;
    let get = || {
        call!(fcntl(fd, F_GETFL))
            .map(|it| it & (O_ACCMODE | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND | O_NONBLOCK))
    };
    t.same("how it is open", get(), Ok(O_RDWR));
    yes!(t; "two set": fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_EXCL););
    t.same(
        "the others are not",
        get(),
        Ok(O_RDWR | O_APPEND | O_NONBLOCK),
    );
    yes!(t; "none": fcntl(fd, F_SETFL, 0););
    t.same("are left", get(), Ok(O_RDWR));
    let [pipe, _] = sys::pipe()?;
    t.same("nobody owns it", call!(fcntl(pipe, F_GETOWN)), Ok(0));
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    yes!(t; "this one does": fcntl(pipe, F_SETOWN, own););
    t.same("it is told", call!(fcntl(pipe, F_GETOWN)), Ok(own));
    no!(t;
        "nobody": fcntl(pipe, F_SETOWN, 0x3fff_fff0) => ESRCH;
        "no signal": fcntl(pipe, F_SETSIG, 65) => EINVAL;
        "a negative one": fcntl(pipe, F_SETSIG, -1) => EINVAL;
    );
    yes!(t; "a signal": fcntl(pipe, F_SETSIG, SIGUSR1););
    t.same("is told", call!(fcntl(pipe, F_GETSIG)), Ok(SIGUSR1));
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    yes!(t; "no more news of a folder": fcntl(folder, F_NOTIFY, DN_MULTISHOT););
    Ok(())
}
