//! Calls on paths.

use super::{BAD, CLOSED, HERE, NONE, Outcome, refused};
use crate::report::Report;
use crate::sys::call;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;

pub fn run(report: &mut Report) -> Outcome {
    let prepared = fs::write("p", b"x")
        .and_then(|()| fs::create_dir_all("dir/inner"))
        .and_then(|()| fs::create_dir("empty"))
        .and_then(|()| symlink("loop", "loop"))
        .and_then(|()| symlink("p", "link"));
    prepared.map_err(|error| error.to_string())?;
    let file = call!(libc::open(c"p".as_ptr(), libc::O_RDONLY))?;
    let long = CString::new([b'x'; 256]).map_err(|error| error.to_string())?;
    let endless = CString::new([b'/'; 4096]).map_err(|error| error.to_string())?;
    let (long, endless) = (long.as_ptr(), endless.as_ptr());
    everywhere(report, file, long, endless);
    opened(report, file);
    changed(report);
    told(report);
    super::super::close(&[file])
}

/// What every walk refuses.
fn everywhere(
    report: &mut Report,
    file: i32,
    long: *const libc::c_char,
    endless: *const libc::c_char,
) {
    let mut stat = [0u64; 32];
    let at = stat.as_mut_ptr();
    let (missing, under, circle) = (c"no/way".as_ptr(), c"p/under".as_ptr(), c"loop/x".as_ptr());
    let (empty, good) = (c"".as_ptr(), c"p".as_ptr());
    macro_rules! walks {
        ($($name:ident($($before:expr),*; $($after:expr),*);)*) => {
            $(refused!(report;
                "nothing there": $name($($before,)* missing $(, $after)*) => ENOENT;
                "no name": $name($($before,)* empty $(, $after)*) => ENOENT;
                "below a file": $name($($before,)* under $(, $after)*) => ENOTDIR;
                "in a circle": $name($($before,)* circle $(, $after)*) => ELOOP;
                "a name too long": $name($($before,)* long $(, $after)*) => ENAMETOOLONG;
                "a path too long": $name($($before,)* endless $(, $after)*) => ENAMETOOLONG;
                "nowhere": $name($($before,)* BAD $(, $after)*) => EFAULT;
            );)*
        };
    }
    walks! {
        SYS_openat(HERE; libc::O_RDONLY, 0);
        SYS_newfstatat(HERE; at, 0);
        SYS_statx(HERE; 0, 0x7ff, at);
        SYS_statfs(; at);
        SYS_faccessat(HERE; 0);
        SYS_faccessat2(HERE; 0, 0);
        SYS_readlinkat(HERE; at, 64);
        SYS_fchmodat(HERE; 0o644);
        SYS_fchownat(HERE; -1, -1, 0);
        SYS_utimensat(HERE; NONE, 0);
        SYS_unlinkat(HERE; 0);
        SYS_linkat(HERE; HERE, c"fresh".as_ptr(), 0);
        SYS_renameat2(HERE; HERE, c"fresh".as_ptr(), 0);
        SYS_chdir(;);
        SYS_truncate(; 0usize);
        SYS_getxattr(; c"user.x".as_ptr(), at, 8);
        SYS_listxattr(; at, 8);
        SYS_setxattr(; c"user.x".as_ptr(), at, 8, 0);
        SYS_removexattr(; c"user.x".as_ptr());
        SYS_execve(; NONE, NONE);
        SYS_chroot(;);
        SYS_umount2(; 0);
    }
    refused!(report;
        "from a closed one": SYS_openat(CLOSED, good, 0, 0) => EBADF;
        "from a file": SYS_openat(file, good, 0, 0) => ENOTDIR;
        "from a closed one": SYS_newfstatat(CLOSED, good, at, 0) => EBADF;
        "from a file": SYS_newfstatat(file, good, at, 0) => ENOTDIR;
        "from a file": SYS_faccessat(file, good, 0) => ENOTDIR;
        "from a file": SYS_readlinkat(file, good, at, 64) => ENOTDIR;
        "from a file": SYS_mkdirat(file, good, 0o755) => ENOTDIR;
        "from a closed one": SYS_mkdirat(CLOSED, good, 0o755) => EBADF;
        "from a file": SYS_unlinkat(file, good, 0) => ENOTDIR;
        "from a file": SYS_symlinkat(good, file, good) => ENOTDIR;
        "from a file": SYS_fchmodat(file, good, 0o644) => ENOTDIR;
        "from a file": SYS_fchownat(file, good, -1, -1, 0) => ENOTDIR;
        "from a file": SYS_mknodat(file, good, libc::S_IFIFO, 0) => ENOTDIR;
        "from a file": SYS_utimensat(file, good, NONE, 0) => ENOTDIR;
    );
}

/// Opening.
fn opened(report: &mut Report, file: i32) {
    let how = [0u64, 0, 0];
    let resolve = [0u64, 0, 1 << 20];
    let mode = [0u64, 0o644, 0];
    let flags = [1u64 << 40, 0, 0];
    let (good, dir) = (c"p".as_ptr(), c"dir".as_ptr());
    refused!(report;
        "a folder to write": SYS_openat(HERE, dir, libc::O_WRONLY, 0) => EISDIR;
        "a folder to make": SYS_openat(HERE, dir, libc::O_CREAT, 0) => EISDIR;
        "a file as a folder": SYS_openat(HERE, good, libc::O_DIRECTORY, 0) => ENOTDIR;
        "what is there already": SYS_openat(HERE, good, libc::O_CREAT | libc::O_EXCL, 0) => EEXIST;
        "a link": SYS_openat(HERE, c"link".as_ptr(), libc::O_NOFOLLOW, 0) => ELOOP;
        "a file with a slash": SYS_openat(HERE, c"p/".as_ptr(), 0, 0) => ENOTDIR;
        "a new one with a slash": SYS_openat(HERE, c"q/".as_ptr(), libc::O_CREAT, 0o644) => EISDIR;
        "without a name in a file": SYS_openat(HERE, good, libc::O_TMPFILE | libc::O_RDWR, 0o600) => ENOTDIR;
        "without a name to read": SYS_openat(HERE, dir, libc::O_TMPFILE, 0o600) => EINVAL;
        "too small": SYS_openat2(HERE, good, how.as_ptr(), 8) => EINVAL;
        "much too large": SYS_openat2(HERE, good, how.as_ptr(), 5000) => E2BIG;
        "an unknown restriction": SYS_openat2(HERE, good, resolve.as_ptr(), 24) => EINVAL;
        "a mode for nothing": SYS_openat2(HERE, good, mode.as_ptr(), 24) => EINVAL;
        "an unknown flag": SYS_openat2(HERE, good, flags.as_ptr(), 24) => EINVAL;
        "nowhere": SYS_openat2(HERE, good, BAD, 24) => EFAULT;
        "an unknown flag": SYS_newfstatat(HERE, good, NONE, 1) => EINVAL;
        "nowhere": SYS_newfstatat(HERE, good, BAD, 0) => EFAULT;
        "an unknown flag": SYS_statx(HERE, good, 1, 0, NONE) => EINVAL;
        "both ways to sync": SYS_statx(HERE, good, 0x6000, 0, NONE) => EINVAL;
        "a reserved bit": SYS_statx(HERE, good, 0, 0x8000_0000u32, NONE) => EINVAL;
        "nowhere": SYS_statx(HERE, good, 0, 0, BAD) => EFAULT;
        "nowhere": SYS_statfs(good, BAD) => EFAULT;
        "an unknown mode": SYS_faccessat(HERE, good, 8) => EINVAL;
        "an unknown flag": SYS_faccessat2(HERE, good, 0, 1) => EINVAL;
        "not executable": SYS_faccessat(HERE, good, libc::X_OK) => EACCES;
        "no link": SYS_readlinkat(HERE, good, how.as_ptr(), 64) => EINVAL;
        "no room": SYS_readlinkat(HERE, c"link".as_ptr(), how.as_ptr(), 0) => EINVAL;
        "nowhere": SYS_readlinkat(HERE, c"link".as_ptr(), BAD, 64) => EFAULT;
        "no room": SYS_getcwd(how.as_ptr(), 1) => ERANGE;
        "nowhere": SYS_getcwd(BAD, 4096) => EFAULT;
        "a file": SYS_chdir(good) => ENOTDIR;
        "a file": SYS_chroot(good) => ENOTDIR;
        "a folder": SYS_execve(dir, NONE, NONE) => EACCES;
        "not executable": SYS_execve(good, NONE, NONE) => EACCES;
        "an unknown flag": SYS_execveat(HERE, good, NONE, NONE, 1) => EINVAL;
        "not executable": SYS_execveat(file, c"".as_ptr(), NONE, NONE, libc::AT_EMPTY_PATH) => EACCES;
    );
}

/// Names made, moved and removed.
fn changed(report: &mut Report) {
    let (good, dir, inner) = (c"p".as_ptr(), c"dir".as_ptr(), c"dir/inner".as_ptr());
    let (fresh, empty) = (c"fresh".as_ptr(), c"empty".as_ptr());
    let dot = c"empty/.".as_ptr();
    let up = c"dir/inner/..".as_ptr();
    refused!(report;
        "what is there": SYS_mkdirat(HERE, good, 0o755) => EEXIST;
        "a link in a circle": SYS_mkdirat(HERE, c"loop".as_ptr(), 0o755) => EEXIST;
        "below nothing": SYS_mkdirat(HERE, c"no/way".as_ptr(), 0o755) => ENOENT;
        "the root": SYS_mkdirat(HERE, c"/".as_ptr(), 0o755) => EEXIST;
        "a folder as a file": SYS_unlinkat(HERE, dir, 0) => EISDIR;
        "a file as a folder": SYS_unlinkat(HERE, good, libc::AT_REMOVEDIR) => ENOTDIR;
        "one that is not empty": SYS_unlinkat(HERE, dir, libc::AT_REMOVEDIR) => ENOTEMPTY;
        "a dot": SYS_unlinkat(HERE, dot, libc::AT_REMOVEDIR) => EINVAL;
        "two dots": SYS_unlinkat(HERE, up, libc::AT_REMOVEDIR) => ENOTEMPTY;
        "an unknown flag": SYS_unlinkat(HERE, good, 1) => EINVAL;
        "the root": SYS_unlinkat(HERE, c"/".as_ptr(), libc::AT_REMOVEDIR) => EBUSY;
        "what is there": SYS_symlinkat(good, HERE, good) => EEXIST;
        "to no name": SYS_symlinkat(c"".as_ptr(), HERE, fresh) => ENOENT;
        "nowhere": SYS_symlinkat(BAD, HERE, fresh) => EFAULT;
        "what is there": SYS_linkat(HERE, good, HERE, good, 0) => EEXIST;
        "a folder": SYS_linkat(HERE, dir, HERE, fresh, 0) => EPERM;
        "an unknown flag": SYS_linkat(HERE, good, HERE, fresh, 1) => EINVAL;
        "a folder into itself": SYS_renameat2(HERE, dir, HERE, c"dir/inner/x".as_ptr(), 0) => EINVAL;
        "a folder onto a file": SYS_renameat2(HERE, dir, HERE, good, 0) => ENOTDIR;
        "a file onto a folder": SYS_renameat2(HERE, good, HERE, dir, 0) => EISDIR;
        "onto one that is not empty": SYS_renameat2(HERE, empty, HERE, dir, 0) => ENOTEMPTY;
        "onto its own parent": SYS_renameat2(HERE, inner, HERE, dir, 0) => ENOTEMPTY;
        "what is there": SYS_renameat2(HERE, good, HERE, dir, 1) => EEXIST;
        "two things at once": SYS_renameat2(HERE, good, HERE, dir, 3) => EINVAL;
        "an unknown flag": SYS_renameat2(HERE, good, HERE, fresh, 8) => EINVAL;
        "in exchange for nothing": SYS_renameat2(HERE, good, HERE, fresh, 2) => ENOENT;
        "a dot": SYS_renameat2(HERE, dot, HERE, fresh, 0) => EBUSY;
        "what is there": SYS_mknodat(HERE, good, libc::S_IFIFO | 0o644, 0) => EEXIST;
        "an unknown kind": SYS_mknodat(HERE, fresh, 0o150644, 0) => EINVAL;
        "a folder": SYS_mknodat(HERE, fresh, libc::S_IFDIR | 0o755, 0) => EPERM;
        "an unknown flag": SYS_fchownat(HERE, good, -1, -1, 1) => EINVAL;
        "an unknown flag": SYS_utimensat(HERE, good, NONE, 1) => EINVAL;
        "times nowhere": SYS_utimensat(HERE, good, BAD, 0) => EFAULT;
        "a negative length": SYS_truncate(good, -1isize) => EINVAL;
        "a folder": SYS_truncate(dir, 0usize) => EISDIR;
        "nothing mounted": SYS_umount2(dir, 0) => EINVAL;
        "an unknown flag": SYS_umount2(dir, 0x100) => EINVAL;
        "two that exclude each other": SYS_umount2(dir, 5) => EINVAL;
        "an unknown kind": SYS_mount(c"none".as_ptr(), dir, c"nothing".as_ptr(), 0usize, NONE) => ENODEV;
        "a kind nowhere": SYS_mount(c"none".as_ptr(), dir, BAD, 0usize, NONE) => EFAULT;
        "nothing to show": SYS_mount(c"no".as_ptr(), dir, NONE, libc::MS_BIND, NONE) => ENOENT;
        "a file upon a folder": SYS_mount(good, dir, NONE, libc::MS_BIND, NONE) => ENOTDIR;
    );
}

/// Attributes.
fn told(report: &mut Report) {
    let mut value = [0u8; 64];
    let at = value.as_mut_ptr();
    let (good, name) = (c"p".as_ptr(), c"user.x".as_ptr());
    let long = CString::new([b"user.".as_slice(), &[b'x'; 256]].concat()).unwrap_or_default();
    refused!(report;
        "an unknown flag": SYS_setxattr(good, name, at, 1, 4) => EINVAL;
        "no such kind": SYS_setxattr(good, c"nothing.x".as_ptr(), at, 1, 0) => EOPNOTSUPP;
        "no name": SYS_setxattr(good, c"".as_ptr(), at, 1, 0) => ERANGE;
        "a name too long": SYS_setxattr(good, long.as_ptr(), at, 1, 0) => ERANGE;
        "too large": SYS_setxattr(good, name, at, 65_537, 0) => E2BIG;
        "to replace what is not there": SYS_setxattr(good, name, at, 1, libc::XATTR_REPLACE) => ENODATA;
        "nowhere": SYS_setxattr(good, name, BAD, 1, 0) => EFAULT;
        "not there": SYS_getxattr(good, name, at, 8) => ENODATA;
        "not there": SYS_removexattr(good, name) => ENODATA;
        "a name nowhere": SYS_getxattr(good, BAD, at, 8) => EFAULT;
        "a closed one": SYS_fgetxattr(CLOSED, name, at, 8) => EBADF;
        "a closed one": SYS_fsetxattr(CLOSED, name, at, 8, 0) => EBADF;
        "a closed one": SYS_flistxattr(CLOSED, at, 8) => EBADF;
        "a closed one": SYS_fremovexattr(CLOSED, name) => EBADF;
        "through a link": SYS_lsetxattr(c"link".as_ptr(), name, at, 1, 0) => EPERM;
    );
}
