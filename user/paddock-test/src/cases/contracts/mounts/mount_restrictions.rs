//! mount(2), MS_REMOUNT and MS_BIND: MS_RDONLY, MS_NODEV, MS_NOEXEC, MS_NOSUID and what each forbids.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    yes!(t; "a table of its own": unshare(CLONE_NEWNS); "private": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null());
        "one": mount(c"none".as_ptr(), c"d".as_ptr(), c"tmpfs".as_ptr(), 0, c"mode=755".as_ptr().cast()););
    file("d/f", b"#!/no\n")?;
    yes!(t; "a program": chmod(c"d/f".as_ptr(), 0o755); "a device": mknod(c"d/null".as_ptr(), S_IFCHR | 0o666, 0x103););
    let remount = |flags: c_ulong| {
        call!(mount(
            null(),
            c"d".as_ptr(),
            null(),
            MS_REMOUNT | MS_BIND | flags,
            null()
        ))
        .map(drop)
    };
    let flags = || {
        // SAFETY: plain numbers.
        let mut it: statvfs = unsafe { std::mem::zeroed() };
        call!(statvfs(c"d".as_ptr(), &raw mut it)).map(|_| it.f_flag as c_ulong & 15)
    };
    let listed = |option: &str| {
        let place = std::env::current_dir().unwrap_or_default().join("d");
        let place = place.display().to_string();
        let text = text("/proc/self/mounts");
        let line = text
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(&place))
            .unwrap_or_default();
        line.split(' ')
            .nth(3)
            .unwrap_or_default()
            .split(',')
            .any(|it| it == option)
    };
    t.check("to be written", listed("rw"));
    t.works("read only", remount(MS_RDONLY));
    no!(t;
        "no new file": creat(c"d/new".as_ptr(), 0o600) => EROFS;
        "no old one": open(c"d/f".as_ptr(), O_WRONLY) => EROFS;
        "no folder": mkdir(c"d/new".as_ptr(), 0o700) => EROFS;
        "none removed": unlink(c"d/f".as_ptr()) => EROFS;
        "no link": link(c"d/f".as_ptr(), c"d/g".as_ptr()) => EROFS;
        "no symlink": symlink(c"f".as_ptr(), c"d/g".as_ptr()) => EROFS;
        "no other name": rename(c"d/f".as_ptr(), c"d/g".as_ptr()) => EROFS;
        "no node": mknod(c"d/g".as_ptr(), S_IFIFO | 0o600, 0) => EROFS;
        "no mode": chmod(c"d/f".as_ptr(), 0o700) => EROFS;
        "no owner": chown(c"d/f".as_ptr(), 1, 1) => EROFS;
        "no cut": truncate(c"d/f".as_ptr(), 1) => EROFS;
        "no right to write": access(c"d/f".as_ptr(), W_OK) => EROFS;
        "no times": utimensat(AT_FDCWD, c"d/f".as_ptr(), null(), 0) => EROFS;
        "no attribute": setxattr(c"d/f".as_ptr(), c"trusted.a".as_ptr(), c"".as_ptr().cast(), 0, 0) => EROFS;
    );
    yes!(t; "but a device": open(c"d/null".as_ptr(), O_WRONLY););
    t.same("it is told", flags(), Ok(MS_RDONLY));
    t.check("and listed", listed("ro"));
    t.works("no devices", remount(MS_NODEV));
    no!(t; "not opened": open(c"d/null".as_ptr(), O_RDWR) => EACCES;);
    t.same("told too", flags(), Ok(MS_NODEV));
    t.works("no programs", remount(MS_NOEXEC));
    let arguments = [c"f".as_ptr(), null()];
    no!(t; "not run": execve(c"d/f".as_ptr(), arguments.as_ptr(), null()) => EACCES; );
    t.works("no other users", remount(MS_NOSUID));
    t.check("all of them listed", listed("nosuid"));
    Ok(())
}
