//! O_APPEND and O_TRUNC (open(2)); pwrite(2)'s note on O_APPEND.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR | O_APPEND))?;
    yes!(t; "back": lseek(fd, 0, SEEK_SET););
    sys::write_all(fd, b"d")?;
    t.same("written at the end", text("f"), "abcd".into());
    t.same("and it is there", call!(lseek(fd, 0, SEEK_CUR)), Ok(4));
    yes!(t; "pwrite": pwrite(fd, b"e".as_ptr().cast(), 1, 0););
    t.same("appends as well", text("f"), "abcde".into());
    yes!(t; "off": fcntl(fd, F_SETFL, 0); "then pwrite": pwrite(fd, b"A".as_ptr().cast(), 1, 0););
    t.same("goes where it is told", text("f"), "Abcde".into());
    yes!(t; "O_TRUNC to read": open(c"f".as_ptr(), O_RDONLY | O_TRUNC););
    t.same("cuts too", text("f"), String::new());
    Ok(())
}
