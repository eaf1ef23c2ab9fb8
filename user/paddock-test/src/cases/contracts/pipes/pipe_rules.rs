//! pipe2(2) and pipe(7): flags, ends that are gone, atomic writes.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut ends = [0; 2];
    no!(t; "a flag": pipe2(ends.as_mut_ptr(), O_APPEND) => EINVAL; "nowhere": pipe2(8 as *mut i32, 0) => EFAULT;);
    yes!(t; "not to wait": pipe2(ends.as_mut_ptr(), O_NONBLOCK););
    let [reader, writer] = ends;
    let mut bytes = [0; 64];
    t.refused("nothing there", sys::read(reader, &mut bytes), EAGAIN);
    t.refused("the wrong end", sys::read(writer, &mut bytes), EBADF);
    t.refused("and the other", sys::write(reader, b"x"), EBADF);
    let [reader, writer] = sys::pipe()?;
    sys::set_nonblocking(writer, true)?;
    t.same(
        "nearly full",
        sys::write(writer, &[1; 65_536 - 4096]),
        Ok(61_440),
    );
    sys::write_all(writer, &[1; 100])?;
    t.refused(
        "4096 bytes at once or not at all",
        sys::write(writer, &[1; 4096]),
        EAGAIN,
    );
    t.same(
        "of more, what fits behind the last",
        sys::write(writer, &[1; 4097]),
        Ok(1),
    );
    t.refused(
        "a part that does not",
        sys::write(writer, &[1; 4096 + 3996]),
        EAGAIN,
    );
    sys::close(reader)?;
    t.works("SIGPIPE is ignored", ignore(SIGPIPE));
    t.refused("nobody reads", sys::write(writer, b"x"), EPIPE);
    t.refused("not even nothing", sys::write(writer, &[1; 5000]), EPIPE);
    Ok(())
}
