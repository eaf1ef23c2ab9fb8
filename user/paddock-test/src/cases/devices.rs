//! `/dev/null`, `/dev/zero` and `/dev/full` (null(4), full(4)).

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call, close, read};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    for (name, gives) in [(c"/dev/null", 0), (c"/dev/zero", 8), (c"/dev/full", 8)] {
        let fd = call!(libc::open(name.as_ptr(), libc::O_RDWR))?;
        let what = |say: &str| format!("{}: {say}", name.to_string_lossy());
        let seek = |to: i64, whence: i32| call!(libc::lseek(fd, to, whence));
        report.same(&what("moved"), seek(1000, libc::SEEK_SET), Ok(0));
        let mut bytes = [7; 8];
        report.same(&what("read"), read(fd, &mut bytes), Ok(gives));
        report.check(
            &what("zeroes"),
            bytes[..gives].iter().all(|&byte| byte == 0),
        );
        report.same(&what("stands still"), seek(0, libc::SEEK_CUR), Ok(0));
        report.same(&what("its end"), seek(-5, libc::SEEK_END), Ok(0));
        report.refused(&what("moved oddly"), seek(0, 9), libc::EINVAL);
        let at = call!(libc::pread(fd, bytes.as_mut_ptr().cast(), 8, 1 << 40));
        report.same(&what("read far off"), at, Ok(gives as isize));
        let wrote = call!(libc::pwrite(fd, bytes.as_ptr().cast(), 8, 1 << 40));
        match name == c"/dev/full" {
            true => report.refused(&what("written"), wrote, libc::ENOSPC),
            false => report.same(&what("written"), wrote, Ok(8)),
        }
        close(fd)?;
    }
    appended(report).map_err(String::from)
}

/// Logs are opened to be appended to, whatever they are.
fn appended(report: &mut Report) -> Result<(), Errno> {
    let flags = libc::O_WRONLY | libc::O_APPEND;
    let fd = call!(libc::open(c"/dev/null".as_ptr(), flags))?;
    report.same("appended to /dev/null", sys::write_all(fd, b"line"), Ok(()));
    close(fd).map(drop)
}
