//! openat2(2): RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS,
//! RESOLVE_NO_MAGICLINKS and RESOLVE_NO_XDEV.
use crate::cases::contracts::prelude::*;

const NO_XDEV: u64 = 1;
const NO_MAGICLINKS: u64 = 2;
const NO_SYMLINKS: u64 = 4;
const BENEATH: u64 = 8;
const IN_ROOT: u64 = 16;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("d/f", b"abc")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"d/l".as_ptr());
        "one to the root": symlink(c"/f".as_ptr(), c"d/r".as_ptr());
        "one out of it": symlink(c"../d/f".as_ptr(), c"d/u".as_ptr()););
    let folder = call!(open(c"d".as_ptr(), O_RDONLY))?;
    let at = |path: &CStr, resolve: u64| {
        let how = [O_RDONLY as u64, 0, resolve];
        raw!(SYS_openat2, folder, path.as_ptr(), how.as_ptr(), 24)
    };
    t.works("beneath", at(c"f", BENEATH));
    t.works("a link beneath", at(c"l", BENEATH));
    t.refused("up", at(c"../d/f", BENEATH), EXDEV);
    t.refused("the root", at(c"/", BENEATH), EXDEV);
    t.refused("a link to it", at(c"r", BENEATH), EXDEV);
    t.refused("a link up", at(c"u", BENEATH), EXDEV);
    t.works("as a root", at(c"/f", IN_ROOT));
    t.works("and its links", at(c"r", IN_ROOT));
    t.works("up is where it is", at(c"../../f", IN_ROOT));
    t.refused("a link up from it", at(c"u", IN_ROOT), ENOENT);
    t.refused("no links", at(c"l", NO_SYMLINKS), ELOOP);
    t.works("a file", at(c"f", NO_SYMLINKS));
    t.refused(
        "no link of /proc's",
        at(c"/proc/self/exe", NO_MAGICLINKS),
        ELOOP,
    );
    t.works("an ordinary one", at(c"l", NO_MAGICLINKS));
    t.refused("another filesystem", at(c"/proc/version", NO_XDEV), EXDEV);
    t.works("the same", at(c"f", NO_XDEV));
    Ok(())
}
