//! Modes of what is made: umask(2), mkdir(2), mknod(2), chmod(2).
use crate::cases::contracts::prelude::*;

fn mode(path: &CStr) -> u32 {
    let fd = call!(open(path.as_ptr(), O_PATH | O_NOFOLLOW)).unwrap_or(-1);
    stat_of(fd).map_or(0, |it| it.st_mode)
}

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: have no conditions.
    let (_, mask) = unsafe { (umask(0o7027), umask(0o027)) };
    t.same("a mask is of permissions only", mask, 0o027);
    yes!(t; "a folder": mkdir(c"d".as_ptr(), 0o7777););
    t.same("its mode", mode(c"d"), S_IFDIR | 0o1750);
    yes!(t; "a group's folder": chmod(c"d".as_ptr(), 0o2777); "with one in it": mkdir(c"d/e".as_ptr(), 0o777););
    t.same("which is the group's too", mode(c"d/e"), S_IFDIR | 0o2750);
    yes!(t; "no kind": mknod(c"f".as_ptr(), 0o6666, 0););
    t.same("is a file", mode(c"f"), S_IFREG | 0o6640);
    no!(t;
        "a folder by mknod": mknod(c"x".as_ptr(), S_IFDIR | 0o755, 0) => EPERM;
        "a link by mknod": mknod(c"x".as_ptr(), S_IFLNK | 0o755, 0) => EINVAL;
        "what is there": mknod(c"f".as_ptr(), S_IFIFO | 0o644, 0) => EEXIST;
    );
    yes!(t; "a socket": mknod(c"s".as_ptr(), S_IFSOCK | 0o777, 0););
    t.same("has the mask", mode(c"s"), S_IFSOCK | 0o750);
    t.refused(
        "it cannot be opened",
        call!(open(c"s".as_ptr(), O_RDONLY)),
        ENXIO,
    );
    yes!(t; "chmod of more": chmod(c"f".as_ptr(), 0o170_644););
    t.same("sets what there is", mode(c"f"), S_IFREG | 0o644);
    Ok(())
}
