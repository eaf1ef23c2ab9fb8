//! pipe2(2) and fifos: flags, errors and who is told.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut pair = [-1; 2];
    let at = pair.as_mut_ptr();
    no!(t; "a flag": pipe2(at, 1) => EINVAL; "O_CREAT": pipe2(at, O_CREAT) => EINVAL;);
    t.refused("nowhere", raw!(SYS_pipe2, 8, 0), EFAULT);
    t.same("nothing is told", pair, [-1, -1]);
    let at = pair.as_mut_ptr();
    yes!(t; "with flags": pipe2(at, O_CLOEXEC | O_NONBLOCK););
    for fd in pair {
        t.same("closes on exec", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
        let flags = call!(fcntl(fd, F_GETFL)).map(|it| it & O_NONBLOCK);
        t.same("does not wait", flags, Ok(O_NONBLOCK));
        t.same("is a pipe", kind(fd)?, S_IFIFO);
        t.refused("no place", call!(lseek(fd, 0, SEEK_SET)), ESPIPE);
    }
    let [reader, writer] = pair;
    t.same(
        "how it is opened",
        call!(fcntl(reader, F_GETFL)).map(|it| it & O_ACCMODE),
        Ok(O_RDONLY),
    );
    t.same(
        "and so",
        call!(fcntl(writer, F_GETFL)).map(|it| it & O_ACCMODE),
        Ok(O_WRONLY),
    );
    let mut waiting = -1i32;
    sys::write_all(writer, b"abcde")?;
    yes!(t; "how much waits": ioctl(reader, FIONREAD, &raw mut waiting););
    t.same("five bytes", waiting, 5);
    let path = CString::new(format!("/proc/self/fd/{reader}")).unwrap_or_default();
    let mut bytes = [0; 16];
    t.same("is read here", sys::read(reader, &mut bytes), Ok(5));
    let mut name = [0u8; 64];
    let length = raw!(
        SYS_readlinkat,
        AT_FDCWD,
        path.as_ptr(),
        name.as_mut_ptr(),
        64
    )? as usize;
    let told = String::from_utf8_lossy(&name[..length.min(64)]).into_owned();
    t.same(
        "its name",
        told,
        format!("pipe:[{}]", stat_of(reader)?.st_ino),
    );
    t.same("packets", call!(pipe2(pair.as_mut_ptr(), O_DIRECT)), Ok(0));
    Ok(())
}
