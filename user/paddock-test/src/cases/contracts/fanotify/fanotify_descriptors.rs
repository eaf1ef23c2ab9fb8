//! fanotify(7): descriptors of events, and what is done by way of them.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    file("d/f", b"text")?;
    let flags = O_RDWR | O_APPEND | O_CLOEXEC;
    let fd = int!(SYS_fanotify_init, NONBLOCK, flags)?;
    let every = OPEN | ACCESS | MODIFY | CLOSE_WRITE | CLOSE_NOWRITE;
    mark(fd, ADD, every, "d/f")?;
    touch("d/f")?;
    let event = heard(fd).pop().ok_or("none")?;
    t.same(
        "closed by execve",
        call!(fcntl(event.fd, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    let status = call!(fcntl(event.fd, F_GETFL)).map(|it| it & (O_ACCMODE | O_APPEND));
    t.same("as it was asked", status, Ok(O_RDWR | O_APPEND));
    t.same("written", sys::write(event.fd, b"more"), Ok(4));
    t.same(
        "read",
        call!(pread(event.fd, [0u8; 9].as_mut_ptr().cast(), 9, 0)),
        Ok(8),
    );
    yes!(t; "cut": ftruncate(event.fd, 2););
    sys::close(event.fd)?;
    hears(t, fd, "nobody hears of that", &[]);
    touch("d/f")?;
    let event = heard(fd).pop().ok_or("none")?;
    let again = opened(&format!("/proc/self/fd/{}", event.fd), O_RDONLY)?;
    sys::close(event.fd)?;
    hears(t, fd, "but if it is opened anew", &[(OPEN, "f")]);
    sys::close(again)?;
    // Closes what it is about: a mount whose files are written stays writable.
    named(fd);
    yes!(t; "a mount": mount(null(), c"d".as_ptr(), null(), MS_REMOUNT | MS_BIND | MS_RDONLY, null()););
    touch("d/f")?;
    t.refused("not to be written", sys::read(fd, &mut [0; 64]), EROFS);
    t.refused("that one is lost", sys::read(fd, &mut [0; 64]), EAGAIN);
    Ok(())
}
