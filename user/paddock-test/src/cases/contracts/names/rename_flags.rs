//! renameat2(2)'s flags.
use crate::cases::contracts::prelude::*;

const NOREPLACE: u32 = 1;
const EXCHANGE: u32 = 2;
const WHITEOUT: u32 = 4;

fn renamed(from: &CStr, to: &CStr, flags: u32) -> Result<i64, Errno> {
    raw!(
        SYS_renameat2,
        AT_FDCWD,
        from.as_ptr(),
        AT_FDCWD,
        to.as_ptr(),
        flags
    )
}

pub fn run(t: &mut Report) -> Outcome {
    file("a", b"a")?;
    file("b", b"b")?;
    folder("d")?;
    folder("d/e")?;
    t.refused(
        "both flags",
        renamed(c"a", c"b", NOREPLACE | EXCHANGE),
        EINVAL,
    );
    t.refused(
        "whiteout and exchange",
        renamed(c"a", c"b", WHITEOUT | EXCHANGE),
        EINVAL,
    );
    t.refused("an unknown flag", renamed(c"a", c"b", 8), EINVAL);
    t.refused(
        "NOREPLACE of what is there",
        renamed(c"a", c"b", NOREPLACE),
        EEXIST,
    );
    t.refused(
        "NOREPLACE of itself",
        renamed(c"a", c"a", NOREPLACE),
        EEXIST,
    );
    t.refused(
        "exchange with nothing",
        renamed(c"a", c"no", EXCHANGE),
        ENOENT,
    );
    t.refused(
        "with what it is in",
        renamed(c"d/e", c"d", EXCHANGE),
        EINVAL,
    );
    t.refused(
        "with what is in it",
        renamed(c"d", c"d/e", EXCHANGE),
        EINVAL,
    );
    t.works("NOREPLACE", renamed(c"b", c"c", NOREPLACE));
    t.works(
        "exchange of a file and a folder",
        renamed(c"a", c"d", EXCHANGE),
    );
    t.same("the file", text("d"), "a".into());
    t.check("the folder", std::path::Path::new("a/e").is_dir());
    t.works("exchange with itself", renamed(c"c", c"c", EXCHANGE));
    Ok(())
}
