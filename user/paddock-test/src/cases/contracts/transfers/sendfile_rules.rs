//! sendfile(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("in", b"abcdefgh")?;
    file("out", b"")?;
    let input = call!(open(c"in".as_ptr(), O_RDONLY))?;
    let output = call!(open(c"out".as_ptr(), O_RDWR))?;
    let writing = call!(open(c"in".as_ptr(), O_WRONLY))?;
    let [reader, writer] = sys::pipe()?;
    let mut place = 2i64;
    let at = &raw mut place;
    let go =
        |to: i32, from: i32, at: *mut i64, count: usize| raw!(SYS_sendfile, to, from, at, count);
    t.refused("from a closed one", go(output, 999, null_mut(), 1), EBADF);
    t.refused("to a closed one", go(999, input, null_mut(), 1), EBADF);
    t.refused(
        "from what is only written",
        go(output, writing, null_mut(), 1),
        EBADF,
    );
    t.refused(
        "to what is only read",
        go(input, input, null_mut(), 1),
        EBADF,
    );
    t.refused("from a pipe, at a place", go(output, reader, at, 1), ESPIPE);
    t.refused(
        "a place nowhere",
        go(output, input, std::ptr::dangling_mut::<i64>(), 1),
        EFAULT,
    );
    let mut negative = -1i64;
    t.refused(
        "a negative place",
        go(output, input, &raw mut negative, 1),
        EINVAL,
    );
    t.same("from a place", go(output, input, at, 3), Ok(3));
    t.same("which moves", place, 5);
    t.same(
        "the offset does not",
        call!(lseek(input, 0, SEEK_CUR)),
        Ok(0),
    );
    t.same("from the offset", go(output, input, null_mut(), 2), Ok(2));
    t.same("which moves then", call!(lseek(input, 0, SEEK_CUR)), Ok(2));
    t.same("as told", text("out"), "cdeab".into());
    let mut end = 8i64;
    t.same("at the end", go(output, input, &raw mut end, 5), Ok(0));
    t.same("none", go(output, input, null_mut(), 0), Ok(0));
    t.same("to a pipe", go(writer, input, null_mut(), 100), Ok(6));
    let mut bytes = [0; 8];
    t.same("is there", sys::read(reader, &mut bytes), Ok(6));
    t.same("all of it", &bytes[..6], b"cdefgh".as_slice());
    let append = call!(open(c"out".as_ptr(), O_WRONLY | O_APPEND))?;
    let mut place = 0i64;
    t.refused(
        "to the end of whatever it is",
        go(append, input, &raw mut place, 1),
        EINVAL,
    );
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    t.check("a folder", go(output, folder, null_mut(), 1).is_err());
    Ok(())
}
