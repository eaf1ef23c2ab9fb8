//! ioctl(2) of things that are no terminals.
use super::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let [pipe, writer] = sys::pipe()?;
    let (mut number, one) = (0i32, 1i32);
    let mut size = [0u16; 4];
    no!(t;
        "a file has no size": ioctl(fd, TIOCGWINSZ, size.as_mut_ptr()) => ENOTTY;
        "nor a pipe": ioctl(pipe, TIOCGWINSZ, size.as_mut_ptr()) => ENOTTY;
        "no such thing": ioctl(fd, 0x1234) => ENOTTY;
        "closed": ioctl(999, FIONREAD, &raw mut number) => EBADF;
        "nowhere": ioctl(pipe, FIONREAD, 8) => EFAULT;
    );
    yes!(t; "not to wait": ioctl(writer, FIONBIO, &raw const one); "closed on exec": ioctl(writer, FIOCLEX););
    t.same(
        "it does not",
        call!(fcntl(writer, F_GETFL)).map(|it| it & O_NONBLOCK),
        Ok(O_NONBLOCK),
    );
    yes!(t; "not closed": ioctl(writer, FIONCLEX););
    t.same("no more", call!(fcntl(writer, F_GETFD)), Ok(0));
    Ok(())
}
