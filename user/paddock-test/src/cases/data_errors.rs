//! `data-errors BAD OTHER`: a file whose page 8 cannot be written, beside one that can.
//! Each description of the bad one that syncs hears of it once, and each that syncs the
//! whole filesystem; the other file's own fsync never fails.

use super::Outcome;
use crate::report::Report;
use crate::sys::{Errno, call, close};
use std::ffi::CString;

const PAGE: usize = 4096;
const BAD_PAGE: i64 = 8;

fn open(path: &str) -> Result<i32, Errno> {
    let path = CString::new(path).unwrap_or_default();
    call!(libc::open(path.as_ptr(), libc::O_RDWR))
}

fn write(fd: i32, page: i64) -> Result<isize, Errno> {
    let data = [0x5a_u8; PAGE];
    call!(libc::pwrite(
        fd,
        data.as_ptr().cast(),
        PAGE,
        page * PAGE as i64
    ))
}

fn sync(fd: i32) -> Result<i32, Errno> {
    call!(libc::fsync(fd))
}

fn sync_all(fd: i32) -> Result<i32, Errno> {
    call!(libc::syncfs(fd))
}

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let [bad, other] = words else {
        return Err("it needs two files".into());
    };
    let (one, two, beside) = (open(bad)?, open(bad)?, open(other)?);
    report.same("a page is written", write(one, BAD_PAGE), Ok(PAGE as isize));
    report.same(
        "another of the file",
        write(one, BAD_PAGE + 1),
        Ok(PAGE as isize),
    );
    report.same("one of the other file", write(beside, 0), Ok(PAGE as isize));
    report.same("the other is synced", sync(beside), Ok(0));
    for (name, fd) in [("the first", one), ("the second", two)] {
        report.refused(&format!("{name} is told"), sync(fd), libc::EIO);
        report.same(&format!("{name} is told once"), sync(fd), Ok(0));
    }
    report.refused("who syncs all is told", sync_all(beside), libc::EIO);
    report.same("who syncs all is told once", sync_all(beside), Ok(0));
    report.same("the other is well", sync(beside), Ok(0));
    let late = open(bad)?;
    report.same("who opens it later is not told", sync(late), Ok(0));
    report.same("nor of the whole", sync_all(late), Ok(0));
    report.same(
        "the page is written again",
        write(late, BAD_PAGE),
        Ok(PAGE as isize),
    );
    for (name, fd) in [("the first", one), ("the last", late)] {
        report.refused(&format!("{name} is told of that"), sync(fd), libc::EIO);
    }
    report.same(
        "the rest can be written",
        write(two, BAD_PAGE + 1),
        Ok(PAGE as isize),
    );
    for fd in [one, two, beside, late] {
        close(fd)?;
    }
    Ok(())
}
