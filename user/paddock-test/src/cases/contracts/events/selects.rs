//! select(2) by pselect6(2): the sets, and the time.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let at_once = || time(0, 0);
    let bit = |fd: i32| 1u64 << fd;
    let select = |count: i32, reads: *mut u64, writes: *mut u64, errors: *mut u64| {
        let mut wait = at_once();
        raw!(
            SYS_pselect6,
            count,
            reads,
            writes,
            errors,
            &raw mut wait,
            0usize
        )
    };
    let mut reads = [bit(reader), 0];
    let mut writes = [bit(writer), 0];
    let mut errors = [bit(reader) | bit(writer), 0];
    let count = reader.max(writer) + 1;
    let (r, w, e) = (reads.as_mut_ptr(), writes.as_mut_ptr(), errors.as_mut_ptr());
    t.same("room to write", select(count, r, w, e), Ok(1));
    t.same(
        "is told",
        (reads[0], writes[0], errors[0]),
        (0, bit(writer), 0),
    );
    reads[0] = bit(reader);
    sys::write_all(writer, b"x")?;
    t.same(
        "bytes to read",
        select(count, reads.as_mut_ptr(), null_mut(), null_mut()),
        Ok(1),
    );
    t.same("are told", reads[0], bit(reader));
    t.same(
        "not looked at",
        select(reader, reads.as_mut_ptr(), null_mut(), null_mut()),
        Ok(0),
    );
    let mut wait = time(0, 1_000_000);
    let none = raw!(SYS_pselect6, 0, 0, 0, 0, &raw mut wait, 0usize);
    t.same("only the time", none, Ok(0));
    t.same("which is over", (wait.tv_sec, wait.tv_nsec), (0, 0));
    t.refused(
        "a set nowhere",
        select(8, std::ptr::dangling_mut::<u64>(), null_mut(), null_mut()),
        EFAULT,
    );
    reads[0] = bit(reader);
    sys::close(reader)?;
    let closed = select(count, reads.as_mut_ptr(), null_mut(), null_mut());
    t.refused("closed", closed, EBADF);
    t.same("the sets stay", reads[0], bit(reader));
    let mut writes = [bit(writer), 0];
    let broken = select(count, null_mut(), writes.as_mut_ptr(), null_mut());
    t.same("nobody reads", (broken, writes[0]), (Ok(1), bit(writer)));
    let mut wait = time(-1, 0);
    let negative = raw!(SYS_pselect6, 0, 0, 0, 0, &raw mut wait, 0usize);
    t.refused("a negative time", negative, EINVAL);
    t.refused(
        "a time nowhere",
        raw!(SYS_pselect6, 0, 0, 0, 0, 8, 0usize),
        EFAULT,
    );
    let mut many = [0u64; 1024];
    many[200] = 1;
    let large = select(65_536, many.as_mut_ptr(), null_mut(), null_mut());
    t.same("what no descriptor can be is not looked at", large, Ok(0));
    Ok(())
}
