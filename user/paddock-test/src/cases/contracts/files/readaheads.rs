//! readahead(2) and posix_fadvise(2) of what has no cache.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[1; 10_000])?;
    let fd = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let writing = call!(open(c"f".as_ptr(), O_WRONLY))?;
    let place = call!(open(c"f".as_ptr(), O_PATH))?;
    let [reader, _writer] = sys::pipe()?;
    let socket = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let ahead = |fd: i32| raw!(SYS_readahead, fd, 0usize, 4096usize);
    t.same("a file", ahead(fd), Ok(0));
    t.refused("closed", ahead(999), EBADF);
    t.refused("negative", ahead(-1), EBADF);
    t.refused("only written", ahead(writing), EBADF);
    t.refused("a place", ahead(place), EBADF);
    t.refused("a pipe", ahead(reader), EINVAL);
    t.refused("a socket", ahead(socket), EINVAL);
    t.same("its offset stays", call!(lseek(fd, 0, SEEK_CUR)), Ok(0));
    let advise = |fd: i32, advice: i32| raw!(SYS_fadvise64, fd, 0usize, 0usize, advice);
    t.refused("no such advice", advise(fd, 99), EINVAL);
    t.refused("of a pipe", advise(reader, 0), ESPIPE);
    t.refused("of nothing", advise(999, 0), EBADF);
    for advice in 0..=5 {
        t.same("advice", advise(fd, advice), Ok(0));
    }
    let short = raw!(SYS_fadvise64, fd, 0usize, -1isize, 0);
    t.refused("a negative length", short, EINVAL);
    Ok(())
}
