//! Which of several things that are wrong is told, and files without names.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, call};

/// No process has it.
const CLOSED: RawFd = 900;

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "order")?;
    let outcome = transfers(report, &folder)
        .and_then(|()| unnamed(report, &folder))
        .and_then(|()| gone(report, &folder))
        .and_then(|()| settings(report));
    let _ = fs::remove_dir_all(&folder);
    outcome
}

/// An address that no program has anything at.
fn bad_address() -> *mut libc::c_void {
    std::ptr::without_provenance_mut(8)
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

fn transfers(report: &mut Report, folder: &Path) -> Outcome {
    let name = folder.join("transfers");
    fs::write(&name, b"12345").map_err(text)?;
    let reader = File::open(&name).map_err(text)?;
    let writer = OpenOptions::new().write(true).open(&name).map_err(text)?;
    let (reader, writer) = (reader.as_raw_fd(), writer.as_raw_fd());
    let bad = bad_address();
    let mut vector = libc::iovec {
        iov_base: bad,
        iov_len: 1,
    };
    let vector = &raw mut vector;
    let rules: [(&str, Result<isize, Errno>, i32); 10] = [
        (
            "pread",
            call!(libc::pread(CLOSED, bad, 1, -1)),
            libc::EINVAL,
        ),
        (
            "pwrite",
            call!(libc::pwrite(CLOSED, bad, 1, -1)),
            libc::EINVAL,
        ),
        (
            "preadv",
            call!(libc::preadv(CLOSED, vector, 1, -2)),
            libc::EINVAL,
        ),
        (
            "no descriptor",
            call!(libc::write(CLOSED, bad, 1)),
            libc::EBADF,
        ),
        (
            "not for writing",
            call!(libc::write(reader, bad, 1)),
            libc::EBADF,
        ),
        (
            "not for reading",
            call!(libc::read(writer, bad, 1)),
            libc::EBADF,
        ),
        (
            "vectors",
            call!(libc::writev(reader, vector, 1)),
            libc::EBADF,
        ),
        (
            "nothing to write",
            call!(libc::write(reader, bad, 0)),
            libc::EBADF,
        ),
        (
            "writer, at",
            call!(libc::pwrite(reader, bad, 1, 0)),
            libc::EBADF,
        ),
        (
            "bad address",
            call!(libc::write(writer, bad, 1)),
            libc::EFAULT,
        ),
    ];
    for (name, found, expected) in rules {
        report.refused(name, found, expected);
    }
    pipes(report)
}

fn pipes(report: &mut Report) -> Outcome {
    let [from, to] = sys::pipe()?;
    let bad = bad_address();
    let mut vector = libc::iovec {
        iov_base: bad,
        iov_len: 1,
    };
    let vector = &raw mut vector;
    let rules: [(&str, Result<isize, Errno>, i32); 5] = [
        (
            "pipe, pread",
            call!(libc::pread(from, bad, 1, 0)),
            libc::ESPIPE,
        ),
        (
            "pipe, pwrite",
            call!(libc::pwrite(to, bad, 1, 0)),
            libc::ESPIPE,
        ),
        (
            "wrong end, pwrite",
            call!(libc::pwrite(from, bad, 1, 0)),
            libc::ESPIPE,
        ),
        (
            "pipe, pwritev",
            call!(libc::pwritev(to, vector, 1, 0)),
            libc::ESPIPE,
        ),
        (
            "bad address, pipe",
            call!(libc::write(to, bad, 1)),
            libc::EFAULT,
        ),
    ];
    for (name, found, expected) in rules {
        report.refused(name, found, expected);
    }
    for end in [from, to] {
        sys::close(end)?;
    }
    Ok(())
}

/// A file that `O_TMPFILE` makes in a folder.
fn make(folder: &Path, flags: i32) -> Result<File, Errno> {
    let path = sys::path(folder);
    let flags = libc::O_TMPFILE | libc::O_CLOEXEC | flags;
    let fd = call!(libc::open(path.as_ptr(), flags, 0o600))?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Names what a descriptor refers to by way of `/proc`.
fn name(file: &File, name: &Path) -> Result<i32, Errno> {
    let link = sys::path(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())));
    let name = sys::path(name);
    let here = libc::AT_FDCWD;
    let follow = libc::AT_SYMLINK_FOLLOW;
    call!(libc::linkat(
        here,
        link.as_ptr(),
        here,
        name.as_ptr(),
        follow
    ))
}

fn unnamed(report: &mut Report, folder: &Path) -> Outcome {
    let one = make(folder, libc::O_RDWR)?;
    report.same("without a name", one.metadata().map_err(text)?.nlink(), 0);
    report.works("named", name(&one, &folder.join("one")));
    report.works("and again", name(&one, &folder.join("two")));
    report.same("two names", one.metadata().map_err(text)?.nlink(), 2);
    for name in ["one", "two"] {
        fs::remove_file(folder.join(name)).map_err(text)?;
    }
    let late = name(&one, &folder.join("three"));
    report.refused("not once they are gone", late, libc::ENOENT);
    let bound = make(folder, libc::O_RDWR | libc::O_EXCL)?;
    let refused = name(&bound, &folder.join("bound"));
    report.refused("made to stay unnamed", refused, libc::ENOENT);
    let reading = make(folder, libc::O_RDONLY).map(drop);
    report.refused("not for reading", reading, libc::EINVAL);
    let made = make(folder, libc::O_RDWR | libc::O_CREAT).map(drop);
    report.refused("not with a name to make", made, libc::EINVAL);
    Ok(())
}

fn gone(report: &mut Report, folder: &Path) -> Outcome {
    let path = folder.join("gone");
    let file = File::create(&path).map_err(text)?;
    fs::remove_file(&path).map_err(text)?;
    let late = name(&file, &folder.join("again"));
    report.refused("what was deleted stays so", late, libc::ENOENT);
    Ok(())
}

/// What `/proc` says of limits is what the calls keep.
fn settings(report: &mut Report) -> Outcome {
    let read = |name: &str| -> Result<u64, String> {
        let text = fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
        let number = text.trim().parse();
        number.map_err(|_| format!("{name}: {text:?} is not a number"))
    };
    report.same("groups", read("/proc/sys/kernel/ngroups_max")?, 65_536);
    let last = read("/proc/sys/kernel/cap_last_cap")?;
    let has = |cap: u64| call!(libc::prctl(libc::PR_CAPBSET_READ, cap, 0, 0, 0));
    report.works("the last capability", has(last));
    report.refused("none after it", has(last + 1), libc::EINVAL);
    report.check("threads", read("/proc/sys/kernel/threads-max")? > 100);
    let open = read("/proc/sys/fs/nr_open")?;
    let limit = libc::rlimit {
        rlim_cur: 10,
        rlim_max: open + 1,
    };
    let more = call!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit));
    report.refused("descriptors", more, libc::EPERM);
    report.same(
        "no audit",
        read("/proc/self/loginuid")?,
        u64::from(u32::MAX),
    );
    login(report);
    Ok(())
}

/// Who has logged in says so once; what he becomes and starts cannot say otherwise.
fn login(report: &mut Report) {
    let file = || OpenOptions::new().write(true).open("/proc/self/loginuid");
    let done = sys::in_child(|| {
        let Ok(mut before) = file() else {
            return 1;
        };
        if fs::write("/proc/self/loginuid", "1000").is_err() {
            return 2;
        }
        let inherits = sys::in_child(|| {
            let told = fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
            i32::from(told.trim() != "1000")
        });
        let user = sys::call!(libc::setuid(1000)).is_ok();
        let again = before.write(b"0").map_err(|error| error.raw_os_error());
        match (inherits, user, again) {
            (Ok(End::Exited(0)), true, Err(Some(libc::EPERM))) => 0,
            _ => 3,
        }
    });
    report.same("a login", done, Ok(End::Exited(0)));
}
