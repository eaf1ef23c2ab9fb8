//! openat2(2): walks that must not do everything.

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, Errno, call};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;

const OPENAT2: i64 = 437;
const NO_XDEV: u64 = 1;
const NO_MAGICLINKS: u64 = 2;
const NO_SYMLINKS: u64 = 4;
const BENEATH: u64 = 8;
const IN_ROOT: u64 = 16;

#[repr(C)]
struct How {
    flags: u64,
    mode: u64,
    resolve: u64,
}

fn open(dir: i32, path: &str, flags: i32, resolve: u64) -> Result<i32, Errno> {
    let path = CString::new(path).unwrap_or_default();
    let how = How {
        flags: flags as u64,
        mode: if flags & libc::O_CREAT != 0 { 0o600 } else { 0 },
        resolve,
    };
    let (how, size) = (&raw const how, size_of::<How>());
    call!(libc::syscall(OPENAT2, dir, path.as_ptr(), how, size)).map(|fd| fd as i32)
}

/// The first byte of what is there.
fn first(dir: i32, path: &str, resolve: u64) -> Result<u8, Errno> {
    let fd = open(dir, path, libc::O_RDONLY, resolve)?;
    let mut byte = [0];
    let read = sys::read(fd, &mut byte);
    sys::close(fd)?;
    read.map(|_| byte[0])
}

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "openat2")?;
    let outcome = prepare(&folder).map_err(|error| error.to_string());
    let outcome = outcome.and_then(|dir| checks(report, &folder, &dir));
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    outcome
}

fn prepare(folder: &Path) -> std::io::Result<File> {
    let top = folder.join("top");
    fs::create_dir_all(top.join("dir"))?;
    fs::write(top.join("f"), "inside")?;
    fs::write(folder.join("f"), "outside")?;
    symlink("f", top.join("link"))?;
    symlink("/f", top.join("absolute"))?;
    symlink("../f", top.join("dir/one-up"))?;
    symlink("../../f", top.join("dir/two-up"))?;
    symlink("/proc/self/fd/0", top.join("magic"))?;
    File::open(top)
}

fn checks(report: &mut Report, folder: &Path, dir: &File) -> Outcome {
    let dir = dir.as_raw_fd();
    for resolve in [0, BENEATH, IN_ROOT, NO_XDEV, NO_MAGICLINKS] {
        for path in ["f", "link", "dir/../f", "dir/one-up"] {
            report.same(path, first(dir, path, resolve), Ok(b'i'));
        }
    }
    for path in ["dir/two-up", "../f", "dir/../../f"] {
        report.same(path, first(dir, path, 0), Ok(b'o'));
        report.refused(path, first(dir, path, BENEATH), libc::EXDEV);
        report.same(path, first(dir, path, IN_ROOT), Ok(b'i'));
    }
    for path in ["/f", "absolute"] {
        report.refused(path, first(dir, path, BENEATH), libc::EXDEV);
        report.same(path, first(dir, path, IN_ROOT), Ok(b'i'));
    }
    for path in ["link", "dir/one-up", "absolute"] {
        report.refused(path, first(dir, path, NO_SYMLINKS), libc::ELOOP);
    }
    let link = open(dir, "link", libc::O_PATH | libc::O_NOFOLLOW, NO_SYMLINKS);
    if let Some(fd) = report.works("a link itself", link) {
        sys::close(fd)?;
    }
    let magic = open(dir, "magic", libc::O_PATH, NO_MAGICLINKS);
    report.refused("a link that jumps", magic, libc::ELOOP);
    let other = open(libc::AT_FDCWD, "/proc/self/status", 0, NO_XDEV);
    report.refused("another mount", other, libc::EXDEV);
    let new = open(dir, "/../new", libc::O_CREAT | libc::O_WRONLY, IN_ROOT);
    if let Some(fd) = report.works("a new file", new) {
        sys::close(fd)?;
    }
    report.check("it is inside", folder.join("top/new").exists());
    let both = open(dir, "f", 0, BENEATH | IN_ROOT);
    report.refused("two roots", both, libc::EINVAL);
    report.refused("an unknown flag", open(dir, "f", 0, 0x40), libc::EINVAL);
    Ok(())
}
