//! fallocate(2), and the data and holes that lseek(2) finds.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call, close};
use std::ffi::CString;

const BLOCK: i64 = 4096;
const REFUSED: Result<i32, Errno> = Err(Errno(libc::EOPNOTSUPP));

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    for folder in [".", "/root", "/dev/shm"] {
        let path = format!("{folder}/fallocate-{}", std::process::id());
        let path = CString::new(path).unwrap_or_default();
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let Ok(fd) = call!(libc::open(path.as_ptr(), flags, 0o600)) else {
            continue;
        };
        call!(libc::unlink(path.as_ptr()))?;
        reserved(report, fd)?;
        punched(report, fd)?;
        zeroed(report, fd)?;
        refused(report, fd)?;
        close(fd)?;
    }
    Ok(())
}

fn allocate(fd: i32, mode: i32, offset: i64, len: i64) -> Result<i32, Errno> {
    call!(libc::fallocate(fd, mode, offset, len))
}

fn seek(fd: i32, offset: i64, whence: i32) -> Result<i64, Errno> {
    call!(libc::lseek(fd, offset, whence))
}

/// The size, and the blocks that it takes.
fn size(fd: i32) -> Result<(i64, i64), Errno> {
    // SAFETY: all zeroes is a value of this structure.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    call!(libc::fstat(fd, &raw mut stat))?;
    Ok((stat.st_size, stat.st_blocks * 512 / BLOCK))
}

fn whole(fd: i32) -> Result<Vec<u8>, Errno> {
    seek(fd, 0, libc::SEEK_SET)?;
    sys::read_to_end(fd)
}

fn reserved(report: &mut Report, fd: i32) -> Result<(), Errno> {
    let keep = allocate(fd, libc::FALLOC_FL_KEEP_SIZE, 0, 10 * BLOCK);
    report.same("behind the end", keep, Ok(0));
    report.same("the size stays", size(fd)?.0, 0);
    report.check("space is taken", size(fd)?.1 >= 10);
    report.same("a file grows", allocate(fd, 0, 0, 20 * BLOCK), Ok(0));
    report.same("to its size", size(fd)?.0, 20 * BLOCK);
    report.check("of zeroes", whole(fd)?.iter().all(|&byte| byte == 0));
    Ok(())
}

fn punched(report: &mut Report, fd: i32) -> Result<(), Errno> {
    seek(fd, 0, libc::SEEK_SET)?;
    sys::write_all(fd, &vec![7; 20 * BLOCK as usize])?;
    let before = size(fd)?;
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    report.same("a hole", allocate(fd, mode, BLOCK + 1, 10 * BLOCK), Ok(0));
    report.same("the size stays", size(fd)?.0, before.0);
    report.same("space comes back", (before.1 - size(fd)?.1).min(9), 9);
    let bytes = whole(fd)?;
    let zeroes: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == 0).collect();
    report.same("its bytes", zeroes.len(), 10 * BLOCK as usize);
    report.same("its start", zeroes[0], BLOCK as usize + 1);
    report.same("data", seek(fd, 5, libc::SEEK_DATA), Ok(5));
    report.same("then a hole", seek(fd, 5, libc::SEEK_HOLE), Ok(2 * BLOCK));
    let data = seek(fd, 2 * BLOCK, libc::SEEK_DATA);
    report.same("then data", data, Ok(11 * BLOCK));
    let end = seek(fd, 11 * BLOCK, libc::SEEK_HOLE);
    report.same("a hole at the end", end, Ok(20 * BLOCK));
    let none = seek(fd, 20 * BLOCK, libc::SEEK_DATA);
    report.same("nothing behind it", none, Err(Errno(libc::ENXIO)));
    Ok(())
}

fn zeroed(report: &mut Report, fd: i32) -> Result<(), Errno> {
    let zero = allocate(fd, libc::FALLOC_FL_ZERO_RANGE, 15 * BLOCK + 5, 10 * BLOCK);
    if zero == REFUSED {
        return Ok(());
    }
    report.same("zeroes", zero, Ok(0));
    report.same("to a new end", size(fd)?.0, 25 * BLOCK + 5);
    let bytes = whole(fd)?;
    let (before, after) = bytes.split_at(15 * BLOCK as usize + 5);
    report.same("what is before", before.last(), Some(&7));
    report.check("what is behind", after.iter().all(|&byte| byte == 0));
    Ok(())
}

fn refused(report: &mut Report, fd: i32) -> Result<(), Errno> {
    let invalid = Err(Errno(libc::EINVAL));
    report.same("no length", allocate(fd, 0, 0, 0), invalid);
    report.same("before the start", allocate(fd, 0, -1, 1), invalid);
    report.same(
        "a hole that grows",
        allocate(fd, libc::FALLOC_FL_PUNCH_HOLE, 0, 1),
        REFUSED,
    );
    let huge = allocate(fd, 0, i64::MAX - 1, 2);
    report.same("too far", huge, Err(Errno(libc::EFBIG)));
    let ends = sys::pipe()?;
    let pipe = allocate(ends[1], 0, 0, 1);
    report.same("a pipe", pipe, Err(Errno(libc::ESPIPE)));
    let unreadable = allocate(ends[0], 0, 0, 1);
    report.same("for reading", unreadable, Err(Errno(libc::EBADF)));
    close(ends[0])?;
    close(ends[1])?;
    Ok(())
}
