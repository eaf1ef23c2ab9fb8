//! mount(2): MS_RDONLY, MS_NOEXEC and MS_NODEV of MS_REMOUNT act on what is opened.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    folder("e")?;
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null()););
    let kind = c"tmpfs".as_ptr();
    let (d, e) = (c"d".as_ptr(), c"e".as_ptr());
    yes!(t; "mounted": mount(kind, d, kind, 0, null()););
    file("d/f", b"abc")?;
    file("d/run", b"#!/bin/sh\n")?;
    yes!(t; "to be run": chmod(c"d/run".as_ptr(), 0o755);
        "a device": mknod(c"d/n".as_ptr(), S_IFCHR | 0o600, makedev(1, 3));
        "its driver": open(c"d/n".as_ptr(), O_RDWR););
    let again = |flags: u64| {
        call!(mount(
            null(),
            d,
            null(),
            MS_BIND | MS_REMOUNT | flags,
            null()
        ))
    };
    t.works("read only", again(MS_RDONLY));
    no!(t;
        "written": open(c"d/f".as_ptr(), O_WRONLY) => EROFS;
        "made": open(c"d/g".as_ptr(), O_CREAT | O_RDONLY, 0o600) => EROFS;
        "cut": truncate(c"d/f".as_ptr(), 0) => EROFS;
        "a folder": mkdir(c"d/x".as_ptr(), 0o700) => EROFS;
        "removed": unlink(c"d/f".as_ptr()) => EROFS;
        "renamed": rename(c"d/f".as_ptr(), c"d/g".as_ptr()) => EROFS;
        "linked": link(c"d/f".as_ptr(), c"d/g".as_ptr()) => EROFS;
        "a link": symlink(c"f".as_ptr(), c"d/g".as_ptr()) => EROFS;
        "permissions": chmod(c"d/f".as_ptr(), 0o600) => EROFS;
        "an owner": chown(c"d/f".as_ptr(), 1, 1) => EROFS;
        "times": utimensat(AT_FDCWD, c"d/f".as_ptr(), null(), 0) => EROFS;
        "an attribute": setxattr(c"d/f".as_ptr(), c"trusted.a".as_ptr(), null(), 0, 0) => EROFS;
        "access to write": access(c"d/f".as_ptr(), W_OK) => EROFS;
        "what is there, removed": rmdir(c"d/f".as_ptr()) => EROFS;
        "a node": mknod(c"d/g".as_ptr(), S_IFREG | 0o600, 0) => EROFS;
    );
    yes!(t; "read": open(c"d/f".as_ptr(), O_RDONLY); "a device is written": open(c"d/n".as_ptr(), O_RDWR););
    t.works("written again", again(MS_NOEXEC | MS_NODEV));
    no!(t; "no devices": open(c"d/n".as_ptr(), O_RDWR) => EACCES;
        "nor so": execv(c"d/run".as_ptr(), [c"run".as_ptr(), null()].as_ptr()) => EACCES;);
    t.works("as at first", again(0));
    yes!(t; "a second place": mount(d, e, null(), MS_BIND, null());
        "that is only read": mount(null(), e, null(), MS_BIND | MS_REMOUNT | MS_RDONLY, null()););
    no!(t; "so it is": open(c"e/f".as_ptr(), O_WRONLY) => EROFS;);
    yes!(t; "the first is written": open(c"d/f".as_ptr(), O_WRONLY););
    Ok(())
}
