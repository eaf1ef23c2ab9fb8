//! copy_file_range(2) and sendfile(2).
use crate::cases::contracts::prelude::*;

fn copy(from: i32, at: i64, to: i32, to_at: i64, length: usize, flags: u32) -> Result<i64, Errno> {
    let (mut at, mut to_at) = (at, to_at);
    raw!(
        SYS_copy_file_range,
        from,
        &raw mut at,
        to,
        &raw mut to_at,
        length,
        flags
    )
}

pub fn run(t: &mut Report) -> Outcome {
    file("a", b"0123456789")?;
    file("b", b"")?;
    let from = call!(open(c"a".as_ptr(), O_RDWR))?;
    let to = call!(open(c"b".as_ptr(), O_RDWR))?;
    let append = call!(open(c"b".as_ptr(), O_WRONLY | O_APPEND))?;
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    let [reader, writer] = sys::pipe()?;
    t.same("some", copy(from, 2, to, 1, 3, 0), Ok(3));
    t.same("there", text("b"), "\x00234".into());
    t.same("beyond the end", copy(from, 10, to, 0, 5, 0), Ok(0));
    t.same("what there is", copy(from, 8, to, 0, 5, 0), Ok(2));
    t.refused("a flag", copy(from, 0, to, 0, 1, 1), EINVAL);
    t.refused("onto itself", copy(from, 0, from, 2, 5, 0), EINVAL);
    t.refused("appended", copy(from, 0, append, 0, 1, 0), EBADF);
    t.refused("a folder", copy(folder, 0, to, 0, 1, 0), EISDIR);
    t.refused("a pipe", copy(reader, 0, to, 0, 1, 0), EINVAL);
    t.refused("to a pipe", copy(from, 0, writer, 0, 1, 0), EINVAL);
    t.refused("not to be read", copy(append, 0, to, 0, 1, 0), EBADF);
    let send = |to: i32, from: i32, count: usize| call!(sendfile(to, from, null_mut(), count));
    t.same("sent to a pipe", send(writer, from, 4), Ok(4));
    t.refused("from a pipe", send(to, reader, 4), EINVAL);
    t.refused("to one that appends", send(append, from, 4), EINVAL);
    Ok(())
}
