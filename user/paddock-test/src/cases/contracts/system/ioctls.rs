//! ioctl(2) of things that are no terminals.
use crate::cases::contracts::prelude::*;

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
    bytes_left(t, fd)
}

/// FIONREAD of a file: what is between the offset and the end.
fn bytes_left(t: &mut Report, fd: i32) -> Outcome {
    let left = || {
        let mut count = 0i32;
        call!(ioctl(fd, FIONREAD, &raw mut count)).map(|_| count)
    };
    t.same("a file's bytes", left(), Ok(6));
    yes!(t; "on": lseek(fd, 4, SEEK_SET););
    t.same("are fewer", left(), Ok(2));
    yes!(t; "behind the end": lseek(fd, 10, SEEK_SET););
    t.same("fewer than none", left(), Ok(-4));
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    let event = call!(eventfd(1, 0))?;
    let null = call!(open(c"/dev/null".as_ptr(), O_RDONLY))?;
    let mut count = 0i32;
    no!(t;
        "a folder's": ioctl(folder, FIONREAD, &raw mut count) => ENOTTY;
        "an eventfd's": ioctl(event, FIONREAD, &raw mut count) => ENOTTY;
        "a device's": ioctl(null, FIONREAD, &raw mut count) => ENOTTY;
        "a file's, nowhere": ioctl(fd, FIONREAD, 8) => EFAULT;
    );
    Ok(())
}
