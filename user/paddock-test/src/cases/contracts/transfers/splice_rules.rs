//! splice(2).
use crate::cases::contracts::prelude::*;

fn go(
    from: i32,
    at: *mut i64,
    to: i32,
    there: *mut i64,
    count: usize,
    flags: u32,
) -> Result<i64, Errno> {
    raw!(SYS_splice, from, at, to, there, count, flags as usize)
}

pub fn run(t: &mut Report) -> Outcome {
    const NONBLOCK: u32 = 2;
    file("in", b"abcdefgh")?;
    file("out", b"")?;
    let input = call!(open(c"in".as_ptr(), O_RDONLY))?;
    let output = call!(open(c"out".as_ptr(), O_RDWR))?;
    let append = call!(open(c"out".as_ptr(), O_WRONLY | O_APPEND))?;
    let ([reader, writer], [reader2, writer2]) = (sys::pipe()?, sys::pipe()?);
    let none = null_mut();
    let mut place = 2i64;
    t.refused(
        "from a closed one",
        go(999, none, writer, none, 1, 0),
        EBADF,
    );
    t.refused("to a closed one", go(input, none, 999, none, 1, 0), EBADF);
    t.refused("a negative one", go(input, none, -1, none, 1, 0), EBADF);
    t.refused("no pipe", go(input, none, output, none, 1, 0), EINVAL);
    t.refused("a flag", go(input, none, writer, none, 1, 0x10), EINVAL);
    t.refused("the wrong end", go(input, none, reader, none, 1, 0), EBADF);
    t.refused(
        "a place in a pipe",
        go(input, none, writer, &raw mut place, 1, 0),
        ESPIPE,
    );
    t.refused(
        "in the other pipe",
        go(reader, &raw mut place, output, none, 1, 0),
        ESPIPE,
    );
    t.refused(
        "a pipe to itself",
        go(reader, none, writer, none, 1, 0),
        EINVAL,
    );
    t.refused(
        "nothing there",
        go(reader, none, writer2, none, 1, NONBLOCK),
        EAGAIN,
    );
    t.same("none", go(input, none, writer, none, 0, 0), Ok(0));
    t.same(
        "from a place",
        go(input, &raw mut place, writer, none, 3, 0),
        Ok(3),
    );
    t.same("which moves", place, 5);
    t.same(
        "pipe to pipe",
        go(reader, none, writer2, none, 100, 0),
        Ok(3),
    );
    t.refused(
        "where all is appended",
        go(reader2, none, append, none, 3, 0),
        EINVAL,
    );
    let mut there = 1i64;
    t.same(
        "to a place",
        go(reader2, none, output, &raw mut there, 3, 0),
        Ok(3),
    );
    t.same("which moves too", there, 4);
    t.same("as told", text("out"), "\0cde".into());
    let mut nowhere = 8i64;
    t.same(
        "at the end",
        go(input, &raw mut nowhere, writer, none, 3, 0),
        Ok(0),
    );
    t.refused(
        "a place nowhere",
        go(input, std::ptr::dangling_mut::<i64>(), writer, none, 1, 0),
        EFAULT,
    );
    sys::close(writer)?;
    t.same("nobody writes", go(reader, none, output, none, 3, 0), Ok(0));
    Ok(())
}
