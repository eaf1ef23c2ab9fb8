//! open_tree(2): places, and copies of mounts.
use crate::cases::contracts::prelude::*;

const CLONE: u32 = 1;
const CLOEXEC: u32 = O_CLOEXEC as u32;
const RECURSIVE: u32 = 0x8000;
const EMPTY: u32 = AT_EMPTY_PATH as u32;

fn tree(path: &CStr, flags: u32) -> Result<i32, Errno> {
    int!(SYS_open_tree, AT_FDCWD, path.as_ptr(), flags)
}

fn has(fd: i32, name: &CStr) -> Result<i32, Errno> {
    call!(faccessat(fd, name.as_ptr(), F_OK, 0))
}

fn refusals(t: &mut Report) -> Outcome {
    t.refused("a flag", tree(c"d", 2), EINVAL);
    t.refused("all of no copy", tree(c"d", RECURSIVE), EINVAL);
    t.refused("nothing there", tree(c"no", CLONE), ENOENT);
    t.refused("no name", tree(c"", 0), ENOENT);
    t.refused("in a file", tree(c"d/f/x", 0), ENOTDIR);
    let closed = int!(SYS_open_tree, 987, c"d".as_ptr(), 0);
    t.refused("from nowhere", closed, EBADF);
    t.refused("nowhere", int!(SYS_open_tree, AT_FDCWD, 8, CLONE), EFAULT);
    as_nobody(t, |t| {
        t.works("a place is anybody's", tree(c".", 0));
        t.refused("a copy is not", tree(c".", CLONE), EPERM);
        t.refused("nor of nothing", tree(c"no", CLONE), EPERM);
        Ok(())
    })
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null());
        "one": mount(tmpfs, c"d".as_ptr(), tmpfs, 0, null()););
    file("d/f", b"x")?;
    folder("d/in")?;
    yes!(t; "within": mount(tmpfs, c"d/in".as_ptr(), tmpfs, 0, null()););
    file("d/in/g", b"y")?;
    refusals(t)?;
    let place = tree(c"d", CLOEXEC)?;
    t.same(
        "a place",
        call!(fcntl(place, F_GETFL)).map(|it| it & O_PATH),
        Ok(O_PATH),
    );
    t.same("closed", call!(fcntl(place, F_GETFD)), Ok(FD_CLOEXEC));
    t.works("with what is within", has(place, c"in/g"));
    let again = int!(SYS_open_tree, place, c"".as_ptr(), EMPTY);
    t.works("of a descriptor", again);
    let alone = tree(c"d", CLONE)?;
    t.works("a copy", has(alone, c"f"));
    t.refused("alone", has(alone, c"in/g"), ENOENT);
    let all = tree(c"d", CLONE | RECURSIVE)?;
    t.works("with all", has(all, c"in/g"));
    let part = tree(c"d/in", CLONE)?;
    t.works("of what is within", has(part, c"g"));
    let folder_of = tree(c".", CLONE)?;
    t.works("of a folder that is no mount", has(folder_of, c"d"));
    let of_file = tree(c"d/f", CLONE)?;
    t.same("of a file", kind(of_file), Ok(S_IFREG));
    yes!(t; "the original is away": umount2(c"d".as_ptr(), MNT_DETACH););
    t.works("the copy is not", has(all, c"in/g"));
    let top = std::fs::read_link(format!("/proc/self/fd/{all}"));
    t.same("without a path", top.ok(), Some("/".into()));
    Ok(())
}
