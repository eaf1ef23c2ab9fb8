//! write(2), chown(2), truncate(2): set-user and set-group go with a change of content.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let path = c"f".as_ptr();
    yes!(t; "all write": chmod(path, 0o6777););
    let writing = call!(open(path, O_WRONLY))?;
    t.works("written by root", sys::write(writing, b"x"));
    t.same("stay", mode_of(c"f"), Ok(0o6777));
    as_nobody(t, |t| {
        t.works("written by another", sys::write(writing, b"x"));
        t.same("go", mode_of(c"f"), Ok(0o777));
        Ok(())
    })?;
    yes!(t; "again": chmod(path, 0o6777););
    as_nobody(t, |t| {
        yes!(t; "cut by another": truncate(path, 1););
        t.same("go then", mode_of(c"f"), Ok(0o777));
        Ok(())
    })?;
    yes!(t; "once more": chmod(path, 0o6777); "whose it is": chown(path, 5, 5););
    t.same("go with the owner", mode_of(c"f"), Ok(0o777));
    yes!(t; "the group cannot run it": chmod(path, 0o6767); "another's": chown(path, 6, 6););
    t.same("and set-group stays", mode_of(c"f"), Ok(0o2767));
    folder("d")?;
    yes!(t; "a folder": chmod(c"d".as_ptr(), 0o6777); "its owner": chown(c"d".as_ptr(), 5, 5););
    t.same("keeps them", mode_of(c"d"), Ok(0o6777));
    Ok(())
}
