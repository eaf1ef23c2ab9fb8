//! move_mount(2): from descriptors and paths to descriptors and paths.
use crate::cases::contracts::prelude::*;

const CLONE: u32 = 1;
const FROM_LINK: u32 = 1;
const FROM_FD: u32 = 4;
const TO_LINK: u32 = 0x10;
const TO_FD: u32 = 0x40;

fn shift(from: i32, path: &CStr, to: i32, target: &CStr, flags: u32) -> Result<i32, Errno> {
    int!(
        SYS_move_mount,
        from,
        path.as_ptr(),
        to,
        target.as_ptr(),
        flags
    )
}

fn paths(from: &CStr, to: &CStr, flags: u32) -> Result<i32, Errno> {
    shift(AT_FDCWD, from, AT_FDCWD, to, flags)
}

fn copy(path: &CStr) -> Result<i32, Errno> {
    int!(SYS_open_tree, AT_FDCWD, path.as_ptr(), CLONE)
}

fn refusals(t: &mut Report) -> Outcome {
    t.refused("a flag", paths(c"d", c"e", 0x8), EINVAL);
    t.refused("nothing there", paths(c"no", c"e", 0), ENOENT);
    t.refused("to nothing", paths(c"d", c"no", 0), ENOENT);
    t.refused("no name", paths(c"", c"e", 0), ENOENT);
    t.refused("to no name", paths(c"d", c"", FROM_FD), ENOENT);
    t.refused(
        "from nowhere",
        shift(987, c"", AT_FDCWD, c"e", FROM_FD),
        EBADF,
    );
    t.refused("to nowhere", shift(AT_FDCWD, c"d", 987, c"", TO_FD), EBADF);
    t.refused("no mount", paths(c"e", c"d", 0), EINVAL);
    t.refused("a link itself", paths(c"l", c"e", 0), EINVAL);
    t.refused("onto a file", paths(c"d", c"f", 0), EINVAL);
    t.refused("onto itself", paths(c"d", c"d/in", 0), ELOOP);
    t.refused("the root", paths(c"/", c"e", 0), ELOOP);
    as_nobody(t, |t| {
        t.refused("nobody may", paths(c"d", c"e", 0), EPERM);
        Ok(())
    })
}

pub fn run(t: &mut Report) -> Outcome {
    for name in ["d", "e"] {
        folder(name)?;
    }
    file("f", b"file")?;
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null());
        "one": mount(tmpfs, c"d".as_ptr(), tmpfs, 0, null());
        "a link": symlink(c"d".as_ptr(), c"l".as_ptr());
        "and another": symlink(c"e".as_ptr(), c"m".as_ptr()););
    folder("d/in")?;
    file("d/x", b"x")?;
    refusals(t)?;
    t.works("by paths", paths(c"d", c"e", 0));
    t.same("with all", text("e/x"), "x".into());
    t.same("from there", text("d/x"), String::new());
    let (from, to) = (opened("e", O_PATH)?, opened("d", O_PATH)?);
    t.works("by descriptors", shift(from, c"", to, c"", FROM_FD | TO_FD));
    t.same("back", text("d/x"), "x".into());
    sys::close(from)?;
    t.works("by links", paths(c"l", c"m", FROM_LINK | TO_LINK));
    t.same("to their ends", text("e/x"), "x".into());
    let tree = copy(c"e")?;
    t.works("a copy", shift(tree, c"", AT_FDCWD, c"d", FROM_FD));
    t.same("beside what it is of", text("d/x"), "x".into());
    t.refused(
        "onto itself",
        shift(tree, c"", AT_FDCWD, c"d", FROM_FD),
        ELOOP,
    );
    t.refused(
        "in use by its descriptor",
        call!(umount2(c"d".as_ptr(), 0)),
        EBUSY,
    );
    sys::close(tree)?;
    t.works("and not any more", call!(umount2(c"d".as_ptr(), 0)));
    let tree = copy(c"e")?;
    t.refused(
        "nothing into a copy",
        shift(AT_FDCWD, c"e", tree, c"", TO_FD),
        EINVAL,
    );
    let part = shift(tree, c"in", AT_FDCWD, c"d", 0);
    t.refused("no part of one", part, EINVAL);
    let file = copy(c"f")?;
    t.refused(
        "a file onto a folder",
        shift(file, c"", AT_FDCWD, c"d", FROM_FD),
        EINVAL,
    );
    t.works("onto a file", shift(file, c"", AT_FDCWD, c"e/x", FROM_FD));
    t.same("which is that", text("e/x"), "file".into());
    Ok(())
}
