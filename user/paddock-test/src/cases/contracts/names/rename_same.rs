//! rename(2): two names of one file, and what is open stays.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("a", b"a")?;
    file("b", b"b")?;
    yes!(t; "a second name": link(c"a".as_ptr(), c"c".as_ptr());
        "onto each other": rename(c"a".as_ptr(), c"c".as_ptr());
        "both are there": link(c"a".as_ptr(), c"d".as_ptr());
        "onto itself": rename(c"a".as_ptr(), c"a".as_ptr()););
    let (first, second) = (
        call!(open(c"a".as_ptr(), O_RDONLY))?,
        call!(open(c"b".as_ptr(), O_RDONLY))?,
    );
    t.same("three names", stat_of(first)?.st_nlink, 3);
    let before = stat_of(first)?;
    yes!(t; "written over": rename(c"a".as_ptr(), c"b".as_ptr()););
    no!(t; "the old name is gone": access(c"a".as_ptr(), F_OK) => ENOENT;);
    t.same("the other file", text("b"), "a".into());
    t.same("has no name", stat_of(second)?.st_nlink, 0);
    let mut byte = [0; 2];
    t.same("and is read", sys::read(second, &mut byte), Ok(1));
    t.same("as it was", byte[0], b'b');
    let after = stat_of(first)?;
    t.same("the same file", after.st_ino, before.st_ino);
    t.same(
        "its content's time",
        after.st_mtime_nsec,
        before.st_mtime_nsec,
    );
    yes!(t; "a link": symlink(c"b".as_ptr(), c"l".as_ptr());
        "is what moves": rename(c"l".as_ptr(), c"m".as_ptr());
        "and is written over": rename(c"b".as_ptr(), c"m".as_ptr()););
    t.check(
        "with a file",
        std::fs::symlink_metadata("m").is_ok_and(|it| it.is_file()),
    );
    Ok(())
}
