//! pidfd_getfd(2): another's descriptor.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let _ = sys::close(writer);
        let _ = sys::read(reader, &mut [0]);
        0
    })?;
    let process = raw!(SYS_pidfd_open, child, 0)? as i32;
    sys::close(fd)?;
    let get = |process: i32, fd: i32, flags: i32| raw!(SYS_pidfd_getfd, process, fd, flags);
    t.refused("not open there", get(process, 999, 0), EBADF);
    t.refused("a negative one", get(process, -1, 0), EBADF);
    t.refused("no process", get(reader, fd, 0), EBADF);
    t.refused("closed", get(999, fd, 0), EBADF);
    t.refused("a flag", get(process, fd, 1), EINVAL);
    let copy = get(process, fd, 0)? as i32;
    t.same(
        "closes on exec",
        call!(fcntl(copy, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    t.works("read", sys::read(copy, &mut [0; 2]));
    let second = get(process, fd, 0)? as i32;
    t.same("one offset", call!(lseek(second, 0, SEEK_CUR)), Ok(2));
    as_nobody(t, |t| {
        t.refused("another user's", get(process, fd, 0), EPERM);
        Ok(())
    })?;
    sys::close(writer)?;
    t.same("it ends", sys::wait(child), Ok(End::Exited(0)));
    t.refused("of nobody", get(process, fd, 0), ESRCH);
    Ok(())
}
