//! rename(2): folders.
use crate::cases::contracts::prelude::*;

fn links(path: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map_or(0, |it| it.nlink())
}

pub fn run(t: &mut Report) -> Outcome {
    for name in ["a", "a/b", "full", "full/x", "empty"] {
        folder(name)?;
    }
    file("f", b"abc")?;
    let go = |from: &CStr, to: &CStr| call!(rename(from.as_ptr(), to.as_ptr()));
    t.refused("into itself", go(c"a", c"a/c"), EINVAL);
    t.refused("deeper into itself", go(c"a", c"a/b/c"), EINVAL);
    t.refused("onto its parent", go(c"a/b", c"a"), ENOTEMPTY);
    t.refused("onto a full one", go(c"a", c"full"), ENOTEMPTY);
    t.refused("a file onto a folder", go(c"f", c"empty"), EISDIR);
    t.refused("a folder onto a file", go(c"a", c"f"), ENOTDIR);
    t.refused("this one", go(c".", c"n"), EBUSY);
    t.refused("onto this one", go(c"a", c"."), EBUSY);
    t.refused("the one above", go(c"..", c"n"), EBUSY);
    t.refused("a file with a slash", go(c"f", c"g/"), ENOTDIR);
    t.refused("nothing", go(c"no", c"n"), ENOENT);
    t.refused("no name", go(c"", c"n"), ENOENT);
    t.refused("to no name", go(c"f", c""), ENOENT);
    t.refused("in a file", go(c"f/x", c"n"), ENOTDIR);
    t.refused(
        "nowhere",
        call!(rename(c"f".as_ptr(), 8 as *const c_char)),
        EFAULT,
    );
    t.works("onto an empty one", go(c"a", c"empty"));
    t.check("with all in it", std::fs::metadata("empty/b").is_ok());
    t.works("with a slash", go(c"empty/", c"e/"));
    t.works("to another parent", go(c"e/b", c"full/b"));
    let up = std::fs::canonicalize("full/b/..").ok();
    let full = std::fs::canonicalize("full").ok();
    t.check("whose it is", up.is_some() && up == full);
    let counted = (links("full"), links("e"));
    t.check("links follow", [(4, 2), (1, 1)].contains(&counted));
    Ok(())
}
