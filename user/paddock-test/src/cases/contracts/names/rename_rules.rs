//! What may take whose place (rename(2)).
use crate::cases::contracts::prelude::*;

fn renamed(from: &CStr, to: &CStr) -> Result<i32, Errno> {
    call!(rename(from.as_ptr(), to.as_ptr()))
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"f")?;
    folder("d")?;
    folder("d/e")?;
    folder("empty")?;
    t.refused("into itself", renamed(c"d", c"d/e/x"), EINVAL);
    t.refused(
        "over what has something",
        renamed(c"empty", c"d"),
        ENOTEMPTY,
    );
    t.refused("a folder over a file", renamed(c"d", c"f"), ENOTDIR);
    t.refused("a file over a folder", renamed(c"f", c"empty"), EISDIR);
    t.refused("a dot", renamed(c"d/.", c"x"), EBUSY);
    t.refused("to a dot", renamed(c"d", c"empty/."), EBUSY);
    t.refused("two dots", renamed(c"d/..", c"x"), EBUSY);
    t.refused("over its parent", renamed(c"d/e", c"d"), ENOTEMPTY);
    t.refused("nothing", renamed(c"", c"x"), ENOENT);
    t.refused("through a file", renamed(c"f/x", c"x"), ENOTDIR);
    t.works("over an empty one", renamed(c"d", c"empty"));
    yes!(t; "a second name": link(c"f".as_ptr(), c"g".as_ptr()););
    t.works("two names of one file", renamed(c"f", c"g"));
    t.check(
        "both stay",
        std::path::Path::new("f").exists() && std::path::Path::new("g").exists(),
    );
    Ok(())
}
