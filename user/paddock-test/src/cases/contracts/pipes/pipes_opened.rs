//! pipe(7): an end opened again by /proc/self/fd; preadv2(2), RWF_NOWAIT of pipes.
use crate::cases::contracts::prelude::*;

const RWF_NOWAIT: i32 = 8;

fn again(fd: i32, flags: i32) -> Result<i32, Errno> {
    opened(&format!("/proc/self/fd/{fd}"), flags)
}

fn nowait(fd: i32, bytes: &mut [u8]) -> Result<i64, Errno> {
    let piece = [bytes.as_mut_ptr().expose_provenance(), bytes.len()];
    raw!(SYS_preadv2, fd, piece.as_ptr(), 1, -1i64, -1i64, RWF_NOWAIT)
}

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let mut bytes = [0; 8];
    t.refused("nothing is there", nowait(reader, &mut bytes), EAGAIN);
    sys::write_all(writer, b"abc")?;
    t.same("something is", nowait(reader, &mut bytes), Ok(3));
    let other = again(reader, O_WRONLY)?;
    sys::write_all(other, b"x")?;
    t.same(
        "written by the other end",
        sys::read(reader, &mut bytes),
        Ok(1),
    );
    t.refused("which does not read", sys::read(other, &mut bytes), EBADF);
    let both = again(writer, O_RDWR)?;
    sys::write_all(both, b"yz")?;
    t.same("and read by both", sys::read(both, &mut bytes), Ok(2));
    let quiet = again(reader, O_RDONLY | O_NONBLOCK)?;
    t.refused("one does not wait", sys::read(quiet, &mut bytes), EAGAIN);
    let flags = call!(fcntl(reader, F_GETFL)).map(|flags| flags & O_NONBLOCK);
    t.same("the first one does", flags, Ok(0));
    for end in [writer, other, both] {
        t.same("there is somebody", ready(reader, POLLIN), Ok(0));
        sys::close(end)?;
    }
    t.same("and nobody", ready(reader, POLLIN), Ok(POLLHUP));
    t.same("the end", sys::read(reader, &mut bytes), Ok(0));
    let late = again(reader, O_WRONLY | O_NONBLOCK)?;
    t.same("until one comes", ready(reader, POLLIN), Ok(0));
    sys::close(late)?;
    sys::close(quiet)?;
    let [reader, writer] = sys::pipe()?;
    let kept = again(reader, O_RDONLY)?;
    sys::close(reader)?;
    t.works("somebody reads", sys::write(writer, b"x"));
    sys::close(kept)?;
    ignore(SIGPIPE)?;
    t.refused("nobody does", sys::write(writer, b"x"), EPIPE);
    Ok(())
}
