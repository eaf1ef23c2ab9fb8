//! inotify_add_watch(2): flags, descriptors of watches, and what is refused.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("d/f", b"")?;
    folder("closed")?;
    yes!(t; "closed": chmod(c"closed".as_ptr(), 0o300); "a link": symlink(c"d/f".as_ptr(), c"l".as_ptr()););
    let fd = call!(inotify_init1(IN_NONBLOCK))?;
    let watch = |name: &CStr, mask: u32| call!(inotify_add_watch(fd, name.as_ptr(), mask));
    let queued = || {
        let mut count = 0i32;
        call!(ioctl(fd, FIONREAD, &raw mut count)).map(|_| count)
    };
    let empty = || while sys::read(fd, &mut [0; 4096]).is_ok() {};
    let one = watch(c"d/f", IN_OPEN)?;
    t.same("the first", one, 1);
    t.same("again, the same", watch(c"d/f", IN_ATTRIB), Ok(one));
    sys::close(opened("d/f", O_RDONLY)?)?;
    t.same("the old mask is gone", queued(), Ok(0));
    t.same("added", watch(c"d/f", IN_OPEN | IN_MASK_ADD), Ok(one));
    call!(chmod(c"d/f".as_ptr(), 0o600))?;
    sys::close(opened("d/f", O_RDONLY)?)?;
    t.same("both", queued(), Ok(32));
    t.refused(
        "too little room for one",
        sys::read(fd, &mut [0; 15]),
        EINVAL,
    );
    t.same("one at a time", sys::read(fd, &mut [0; 31]), Ok(16));
    empty();
    t.refused("none", sys::read(fd, &mut [0; 64]), EAGAIN);
    t.refused(
        "made new, but there",
        watch(c"d/f", IN_OPEN | IN_MASK_CREATE),
        EEXIST,
    );
    t.refused(
        "added and made new",
        watch(c"d", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE),
        EINVAL,
    );
    t.refused(
        "a file as a folder",
        watch(c"d/f", IN_OPEN | IN_ONLYDIR),
        ENOTDIR,
    );
    t.refused("no events", watch(c"d", 0), EINVAL);
    t.refused("nothing there", watch(c"no", IN_OPEN), ENOENT);
    t.refused("no name", watch(c"", IN_OPEN), ENOENT);
    let link = watch(c"l", IN_OPEN | IN_DONT_FOLLOW)?;
    t.check("a link itself is another", link != one);
    t.same("and by it the file", watch(c"l", IN_OPEN), Ok(one));
    yes!(t; "taken back": inotify_rm_watch(fd, one););
    t.same("it says so", queued(), Ok(16));
    no!(t; "twice": inotify_rm_watch(fd, one) => EINVAL; "none": inotify_rm_watch(fd, -1) => EINVAL;
        "closed": inotify_rm_watch(-1, 1) => EBADF; "no inotify": inotify_rm_watch(0, 1) => EINVAL;);
    empty();
    let once = watch(c"d/f", IN_OPEN | IN_ONESHOT)?;
    t.check("a number is not used again", once > link);
    sys::close(opened("d/f", O_RDONLY)?)?;
    t.same("once, and that it ends", queued(), Ok(32));
    empty();
    sys::close(opened("d/f", O_RDONLY)?)?;
    t.same("no more", queued(), Ok(0));
    as_nobody(t, |t| {
        t.refused("what one may not read", watch(c"closed", IN_OPEN), EACCES);
        Ok(())
    })
}
