//! Extended attributes: setxattr(2) and its kin.

use super::Outcome;
use crate::report::Report;
use crate::sys::{Errno, call, close};
use std::ffi::{CStr, CString};

const REFUSED: Result<isize, Errno> = Err(Errno(libc::EOPNOTSUPP));

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    for folder in [".", "/root", "/dev/shm"] {
        let path = format!("{folder}/xattr-{}", std::process::id());
        let path = CString::new(path).unwrap_or_default();
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let Ok(fd) = call!(libc::open(path.as_ptr(), flags, 0o600)) else {
            continue;
        };
        // Some systems keep none in memory.
        if set(fd, c"user.a", b"value", 0) != REFUSED {
            change(report, fd)?;
            limits(report, fd)?;
            by_name(report, &path)?;
        }
        close(fd)?;
        call!(libc::unlink(path.as_ptr()))?;
    }
    Ok(())
}

fn set(fd: i32, name: &CStr, value: &[u8], flags: i32) -> Result<isize, Errno> {
    let (data, len) = (value.as_ptr().cast(), value.len());
    call!(libc::fsetxattr(fd, name.as_ptr(), data, len, flags)).map(|done| done as isize)
}

fn get(fd: i32, name: &CStr, buffer: &mut [u8]) -> Result<isize, Errno> {
    let (data, len) = (buffer.as_mut_ptr().cast(), buffer.len());
    call!(libc::fgetxattr(fd, name.as_ptr(), data, len))
}

fn failed(errno: i32) -> Result<isize, Errno> {
    Err(Errno(errno))
}

fn change(report: &mut Report, fd: i32) -> Result<(), Errno> {
    let mut buffer = [0; 100];
    report.same("its length", get(fd, c"user.a", &mut []), Ok(5));
    report.same("its value", get(fd, c"user.a", &mut buffer), Ok(5));
    report.same("as it was", &buffer[..5], b"value");
    let short = get(fd, c"user.a", &mut buffer[..4]);
    report.same("a short buffer", short, failed(libc::ERANGE));
    let create = set(fd, c"user.a", b"x", libc::XATTR_CREATE);
    report.same("there already", create, failed(libc::EEXIST));
    let replace = set(fd, c"user.b", b"x", libc::XATTR_REPLACE);
    report.same("not there", replace, failed(libc::ENODATA));
    report.same(
        "another",
        set(fd, c"user.b", b"", libc::XATTR_CREATE),
        Ok(0),
    );
    report.same("empty", get(fd, c"user.b", &mut buffer), Ok(0));
    let names = call!(libc::flistxattr(
        fd,
        buffer.as_mut_ptr().cast(),
        buffer.len()
    ))?;
    let mut names: Vec<&[u8]> = buffer[..names.unsigned_abs()]
        .split(|byte| *byte == 0)
        .collect();
    names.retain(|name| name.starts_with(b"user."));
    names.sort_unstable();
    report.same("their names", names, vec![&b"user.a"[..], b"user.b"]);
    let removed = call!(libc::fremovexattr(fd, c"user.b".as_ptr()));
    report.same("one goes", removed, Ok(0));
    let again = call!(libc::fremovexattr(fd, c"user.b".as_ptr()));
    report.same("only once", again, Err(Errno(libc::ENODATA)));
    report.same(
        "it is gone",
        get(fd, c"user.b", &mut buffer),
        failed(libc::ENODATA),
    );
    Ok(())
}

fn limits(report: &mut Report, fd: i32) -> Result<(), Errno> {
    let large = vec![0; 65_537];
    report.same(
        "too large",
        set(fd, c"user.l", &large, 0),
        failed(libc::E2BIG),
    );
    report.same("no name", set(fd, c"", b"x", 0), failed(libc::ERANGE));
    let long = CString::new(format!("user.{}", "n".repeat(300))).unwrap_or_default();
    report.same("a long name", set(fd, &long, b"x", 0), failed(libc::ERANGE));
    report.same("no such class", set(fd, c"other.x", b"x", 0), REFUSED);
    report.same(
        "no name in its class",
        set(fd, c"user.", b"x", 0),
        failed(libc::EINVAL),
    );
    report.same(
        "unknown flags",
        set(fd, c"user.a", b"x", 8),
        failed(libc::EINVAL),
    );
    Ok(())
}

fn by_name(report: &mut Report, path: &CStr) -> Result<(), Errno> {
    let link = CString::new(format!("{}-link", path.to_string_lossy())).unwrap_or_default();
    call!(libc::symlink(c"nowhere".as_ptr(), link.as_ptr()))?;
    let value = b"x".as_ptr().cast();
    let name = c"user.x".as_ptr();
    let on_link = call!(libc::lsetxattr(link.as_ptr(), name, value, 1, 0));
    report.same("a link has none", on_link, Err(Errno(libc::EPERM)));
    let through = call!(libc::setxattr(link.as_ptr(), name, value, 1, 0));
    report.same("it leads nowhere", through, Err(Errno(libc::ENOENT)));
    call!(libc::unlink(link.as_ptr()))?;
    report.same(
        "by name",
        call!(libc::setxattr(path.as_ptr(), name, value, 1, 0)),
        Ok(0),
    );
    let mut byte = [0_u8];
    let got = call!(libc::getxattr(
        path.as_ptr(),
        name,
        byte.as_mut_ptr().cast(),
        1
    ));
    report.same("and back", (got, byte[0]), (Ok(1), b'x'));
    Ok(())
}
