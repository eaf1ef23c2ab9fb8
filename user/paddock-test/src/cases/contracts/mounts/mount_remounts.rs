//! mount(2), MS_REMOUNT: filesystems that are not written any more, or written again.
use crate::cases::contracts::prelude::*;

fn again(path: &CStr, flags: c_ulong, words: &CStr) -> Result<i32, Errno> {
    call!(mount(
        null(),
        path.as_ptr(),
        null(),
        MS_REMOUNT | flags,
        words.as_ptr().cast()
    ))
}

fn makes(path: &CStr) -> Result<i32, Errno> {
    let fd = call!(open(path.as_ptr(), O_CREAT | O_RDWR, 0o600))?;
    sys::close(fd)
}

pub fn run(t: &mut Report) -> Outcome {
    for name in ["d", "e", "plain"] {
        folder(name)?;
    }
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    let d = c"d".as_ptr();
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null());
        "one": mount(tmpfs, d, tmpfs, 0, null());
        "twice": mount(d, c"e".as_ptr(), none, MS_BIND, null()););
    t.refused("no mount", again(c"plain", MS_RDONLY, c""), EINVAL);
    t.refused("below one", again(c"d/f", 0, c""), ENOENT);
    let fd = opened("e/f", O_CREAT | O_RDWR)?;
    t.refused(
        "written through another",
        again(c"d", MS_RDONLY, c""),
        EBUSY,
    );
    t.refused(
        "that one alone",
        again(c"e", MS_BIND | MS_RDONLY, c""),
        EBUSY,
    );
    t.works("the other alone", again(c"d", MS_BIND | MS_RDONLY, c""));
    t.refused("is not written", makes(c"d/g"), EROFS);
    t.works("and is", again(c"d", MS_BIND, c""));
    sys::close(fd)?;
    t.works("nobody writes", again(c"d", MS_RDONLY, c""));
    t.refused("here", makes(c"d/g"), EROFS);
    t.refused("nor there", makes(c"e/g"), EROFS);
    t.refused("no folder", call!(mkdir(c"e/h".as_ptr(), 0o700)), EROFS);
    t.refused("nothing goes", call!(unlink(c"e/f".as_ptr())), EROFS);
    t.works("what is there is read", opened("e/f", O_RDONLY));
    t.works("a mount that can be written", again(c"e", MS_BIND, c""));
    t.refused("of what cannot", makes(c"e/g"), EROFS);
    t.works("that it is again", again(c"d", 0, c""));
    t.works("here as well", makes(c"d/g"));
    t.works("and there", makes(c"e/g"));
    t.refused("no such word", again(c"d", 0, c"nosuch=1"), EINVAL);
    t.refused("a bad one", again(c"d", MS_RDONLY, c"size=x"), EINVAL);
    t.works("after which it is written", makes(c"d/h"));
    t.works("with a size", again(c"d", 0, c"size=64k"));
    file("d/big", &[1; 40_000])?;
    t.refused("that is too small", again(c"d", 0, c"size=8k"), EINVAL);
    as_nobody(t, |t| {
        t.refused("nobody may", again(c"d", MS_RDONLY, c""), EPERM);
        Ok(())
    })?;
    yes!(t; "not written from the start": mount(tmpfs, c"plain".as_ptr(), tmpfs, MS_RDONLY, null()););
    t.refused("it is so", makes(c"plain/f"), EROFS);
    t.works("the mount alone may", again(c"plain", MS_BIND, c""));
    t.refused("the filesystem not", makes(c"plain/f"), EROFS);
    t.works("until both may", again(c"plain", 0, c""));
    t.works("as they do", makes(c"plain/f"));
    Ok(())
}
