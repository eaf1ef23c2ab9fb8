//! Paths that lead through `/proc` to whatever a process has open, given to
//! every call that takes paths, every pair of them to those that take two. What
//! they answer is not the question: looking at such a path takes the locks of
//! processes, descriptors and files, so each call may take them.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, Errno, call};

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "magic-paths")?;
    let outcome = checks(report, &folder);
    // A path through `/proc` leads to what a mount covers, not to the mount.
    for covered in covered_of_own().chain([folder.join("file"), folder.clone()]) {
        let covered = sys::path(&covered);
        while call!(libc::umount2(covered.as_ptr(), libc::MNT_DETACH)).is_ok() {}
    }
    let removed = std::fs::remove_dir_all(&folder);
    report.check("everything is removed again", removed.is_ok());
    outcome
}

/// What mounts cover of this process's own folder in `/proc`: they stay when it ends.
fn covered_of_own() -> impl Iterator<Item = PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let own = format!("/proc/{}/", std::process::id());
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let of_own = places.filter(|place| place.starts_with(&own));
    of_own.map(PathBuf::from).collect::<Vec<_>>().into_iter()
}

fn checks(report: &mut Report, folder: &Path) -> Outcome {
    let open = things(folder).map_err(|error| format!("what is to be open: {error:?}"))?;
    let paths = paths(&open, folder);
    let mut calls = 0;
    for path in &paths {
        calls += with_one(path);
        for other in &paths {
            calls += with_two(path, other);
        }
    }
    report.check("every call has answered", calls > 1000);
    let here = call!(libc::chdir(c"/".as_ptr()));
    report.works("the working directory is the root again", here);
    for fd in open {
        let _ = call!(libc::close(fd));
    }
    Ok(())
}

/// A descriptor of every kind.
fn things(folder: &Path) -> Result<Vec<RawFd>, Errno> {
    let dir = sys::path(folder);
    let (file, gone) = (
        sys::path(&folder.join("file")),
        sys::path(&folder.join("gone")),
    );
    let create = libc::O_RDWR | libc::O_CREAT;
    let mut open = vec![
        call!(libc::open(dir.as_ptr(), libc::O_RDONLY))?,
        call!(libc::open(file.as_ptr(), create, 0o600))?,
        call!(libc::open(gone.as_ptr(), create, 0o600))?,
        call!(libc::open(file.as_ptr(), libc::O_PATH))?,
        call!(libc::open(c"/proc/self/status".as_ptr(), libc::O_RDONLY))?,
        call!(libc::open(c"/proc/self/fd".as_ptr(), libc::O_RDONLY))?,
        call!(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0))?,
        call!(libc::epoll_create1(0))?,
    ];
    call!(libc::unlink(gone.as_ptr()))?;
    let mut pair = [0; 2];
    call!(libc::pipe(pair.as_mut_ptr()))?;
    open.extend(pair);
    let stream = libc::SOCK_STREAM;
    call!(libc::socketpair(
        libc::AF_UNIX,
        stream,
        0,
        pair.as_mut_ptr()
    ))?;
    open.extend(pair);
    Ok(open)
}

/// A path, and whether what it leads to is ours to change.
struct MagicPath(CString, bool);

impl MagicPath {
    fn is_ours(&self) -> bool {
        self.1
    }
}

fn paths(open: &[RawFd], folder: &Path) -> Vec<MagicPath> {
    let folder = folder.display();
    let descriptors = open.iter().map(|fd| format!("/proc/self/fd/{fd}"));
    let ours = descriptors.chain([
        format!("/proc/self/fd/{}/new", open[0]),
        format!("/proc/self/fd/{}/file", open[0]),
        format!("/proc/thread-self/fd/{}", open[1]),
        format!("/dev/fd/{}", open[1]),
        format!("/proc/self/cwd{folder}/file"),
        format!("/proc/self/root{folder}"),
        format!("{folder}/file"),
    ]);
    let others = [
        "/proc/self/exe",
        "/proc/self/cwd",
        "/proc/self/root",
        "/proc/self/fd/999",
        "/proc/self/fdinfo/0",
        "/proc/self/task",
        "/proc/1/root",
        "/proc/1/fd/0",
    ];
    let all = ours
        .map(|path| (path, true))
        .chain(others.map(|path| (path.to_owned(), false)));
    all.filter_map(|(path, ours)| Some(MagicPath(CString::new(path).ok()?, ours)))
        .collect()
}

/// Each call with one path; how many there were.
fn with_one(path: &MagicPath) -> u32 {
    let at = path.0.as_ptr();
    // SAFETY: plain data, of which zeroes are a value.
    let (mut stat, mut fs): (libc::stat, libc::statfs) = unsafe { std::mem::zeroed() };
    let mut text = [0u8; 256];
    let size = text.len();
    let buffer = text.as_mut_ptr().cast();
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let mut results = vec![
        call!(libc::stat(at, &raw mut stat)),
        call!(libc::lstat(at, &raw mut stat)),
        call!(libc::statfs(at, &raw mut fs)),
        call!(libc::access(at, libc::R_OK)),
        call!(libc::readlink(at, buffer, size)).map(|_| 0),
        call!(libc::chdir(at)),
        call!(libc::chdir(c"/".as_ptr())),
        call!(libc::mkdir(at, 0o700)),
        call!(libc::rmdir(at)),
        call!(libc::mknod(at, libc::S_IFIFO | 0o600, 0)),
        call!(libc::unlink(at)),
        call!(libc::getxattr(at, c"user.x".as_ptr(), buffer.cast(), size)).map(|_| 0),
    ];
    if path.is_ours() {
        results.extend([
            call!(libc::chmod(at, 0o700)),
            call!(libc::lchown(at, 0, 0)),
            call!(libc::chown(at, 0, 0)),
            call!(libc::truncate(at, 3)),
            call!(libc::utimensat(libc::AT_FDCWD, at, std::ptr::null(), 0)),
            call!(libc::umount2(at, libc::MNT_DETACH)),
        ]);
    }
    for more in [
        libc::O_PATH,
        libc::O_RDONLY,
        libc::O_RDWR | libc::O_CREAT,
        libc::O_DIRECTORY,
    ] {
        let opened = call!(libc::open(at, flags | more, 0o600));
        if let Ok(fd) = opened {
            let _ = call!(libc::close(fd));
        }
        results.push(opened);
    }
    results.push(bound(&path.0, false));
    results.push(bound(&path.0, true));
    results.len() as u32
}

/// A socket that is bound to the path, or connected to it.
fn bound(path: &CStr, connect: bool) -> Result<i32, Errno> {
    // SAFETY: plain data, of which zeroes are a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.to_bytes()) {
        *to = *from as libc::c_char;
    }
    let (at, size) = ((&raw const address).cast(), size_of_val(&address) as u32);
    let fd = call!(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0))?;
    let result = match connect {
        true => call!(libc::connect(fd, at, size)),
        false => call!(libc::bind(fd, at, size)),
    };
    let _ = call!(libc::close(fd));
    let _ = call!(libc::unlink(path.as_ptr()));
    result
}

/// Each call with two paths; how many there were.
fn with_two(path: &MagicPath, other: &MagicPath) -> u32 {
    let (from, to) = (path.0.as_ptr(), other.0.as_ptr());
    let here = libc::AT_FDCWD;
    let none = std::ptr::null();
    let mut results = vec![
        call!(libc::linkat(here, from, here, to, libc::AT_SYMLINK_FOLLOW)),
        call!(libc::link(from, to)),
        call!(libc::symlink(from, to)),
        call!(libc::rename(from, to)),
        call!(libc::rename(to, from)),
    ];
    if other.is_ours() {
        let bound = call!(libc::mount(from, to, none, libc::MS_BIND, none.cast()));
        if bound.is_ok() {
            results.push(call!(libc::umount2(to, libc::MNT_DETACH)));
        }
        results.push(bound);
    }
    results.len() as u32
}
