//! splice(2), tee(2), vmsplice(2) and copy_file_range(2).

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call, close, pipe, read, write};
use std::ffi::CString;
use std::ptr;

/// More than a pipe holds.
const LONG: usize = 150_000;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    through_pipes(report)?;
    refused(report)?;
    tee_and_vmsplice(report)?;
    ranges(report)?;
    Ok(())
}

/// `None` is a null pointer; an offset that is given is moved on.
fn splice(
    from: (i32, Option<&mut i64>),
    to: (i32, Option<&mut i64>),
    length: usize,
    flags: u32,
) -> Result<usize, Errno> {
    let place = |offset: Option<&mut i64>| offset.map_or(ptr::null_mut(), ptr::from_mut);
    let (input, output) = (place(from.1), place(to.1));
    let moved = call!(libc::splice(from.0, input, to.0, output, length, flags))?;
    Ok(moved.unsigned_abs())
}

fn file(content: &[u8]) -> Result<i32, Errno> {
    let path = std::env::temp_dir().join(format!("splice-{}", std::process::id()));
    let path = CString::new(path.into_os_string().into_encoded_bytes()).unwrap_or_default();
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
    let fd = call!(libc::open(path.as_ptr(), flags, 0o600))?;
    call!(libc::unlink(path.as_ptr()))?;
    sys::write_all(fd, content)?;
    call!(libc::lseek(fd, 0, libc::SEEK_SET))?;
    Ok(fd)
}

fn content() -> Vec<u8> {
    (0..LONG).map(|index| (index / 7) as u8).collect()
}

fn position(fd: i32) -> Result<i64, Errno> {
    call!(libc::lseek(fd, 0, libc::SEEK_CUR))
}

fn whole(fd: i32) -> Result<Vec<u8>, Errno> {
    call!(libc::lseek(fd, 0, libc::SEEK_SET))?;
    sys::read_to_end(fd)
}

/// A file goes through a pipe into another, in pieces.
fn through_pipes(report: &mut Report) -> Result<(), Errno> {
    let bytes = content();
    let (input, output) = (file(&bytes)?, file(b"")?);
    let ends = pipe()?;
    let mut total = 0;
    loop {
        let moved = splice((input, None), (ends[1], None), LONG, 0)?;
        if moved == 0 {
            break;
        }
        total += moved;
        let mut left = moved;
        while left > 0 {
            left -= splice((ends[0], None), (output, None), left, 0)?;
        }
    }
    report.same("all of it", total, LONG);
    report.check("as it was", whole(output)? == bytes);
    let mut offset = 100;
    let moved = splice((input, Some(&mut offset)), (ends[1], None), 50, 0)?;
    report.same("at an offset", (moved, offset), (50, 150));
    report.same(
        "the file stands where it stood",
        position(input)?,
        LONG as i64,
    );
    let other = pipe()?;
    report.same(
        "from pipe to pipe",
        splice((ends[0], None), (other[1], None), 30, 0),
        Ok(30),
    );
    let mut got = [0; 60];
    report.same("what is left", read(ends[0], &mut got), Ok(20));
    report.check("is what was there", got[..20] == bytes[130..150]);
    report.same("what went", read(other[0], &mut got), Ok(30));
    report.check("is the first of it", got[..30] == bytes[100..130]);
    let empty = splice((ends[0], None), (output, None), 10, libc::SPLICE_F_NONBLOCK);
    report.same("nothing there", empty, Err(Errno(libc::EAGAIN)));
    close(ends[1])?;
    report.same(
        "the end",
        splice((ends[0], None), (output, None), 10, 0),
        Ok(0),
    );
    close(other[0])?;
    let broken = splice((input, Some(&mut 0)), (other[1], None), 10, 0);
    report.same("nobody reads", broken, Err(Errno(libc::EPIPE)));
    for fd in [input, output, ends[0], other[1]] {
        close(fd)?;
    }
    Ok(())
}

fn refused(report: &mut Report) -> Result<(), Errno> {
    let (one, other, ends) = (file(b"abc")?, file(b"")?, pipe()?);
    let mut offset = 0;
    let cases = [
        (
            "no pipe",
            splice((one, None), (other, None), 1, 0),
            libc::EINVAL,
        ),
        (
            "unknown flags",
            splice((one, None), (ends[1], None), 1, 0x100),
            libc::EINVAL,
        ),
        (
            "the same pipe",
            splice((ends[0], None), (ends[1], None), 1, 0),
            libc::EINVAL,
        ),
        (
            "an offset of a pipe",
            splice((ends[0], Some(&mut offset)), (one, None), 1, 0),
            libc::ESPIPE,
        ),
        (
            "the wrong end",
            splice((ends[1], None), (one, None), 1, 0),
            libc::EBADF,
        ),
    ];
    for (name, result, errno) in cases {
        report.same(name, result, Err(Errno(errno)));
    }
    report.same(
        "nothing to do",
        splice((one, None), (ends[1], None), 0, 0),
        Ok(0),
    );
    for fd in [one, other, ends[0], ends[1]] {
        close(fd)?;
    }
    Ok(())
}

fn tee_and_vmsplice(report: &mut Report) -> Result<(), Errno> {
    let (from, to) = (pipe()?, pipe()?);
    let pieces = [&b"hello "[..], &b"world"[..]].map(|piece| libc::iovec {
        iov_base: piece.as_ptr().cast_mut().cast(),
        iov_len: piece.len(),
    });
    let sent = call!(libc::vmsplice(from[1], pieces.as_ptr(), 2, 0))?;
    report.same("vmsplice", sent, 11);
    let copied = call!(libc::tee(from[0], to[1], 100, 0))?;
    report.same("tee", copied, 11);
    let mut got = [0; 20];
    report.same("the copy", read(to[0], &mut got), Ok(11));
    report.check("is the same", &got[..11] == b"hello world");
    let place = libc::iovec {
        iov_base: got.as_mut_ptr().cast(),
        iov_len: 5,
    };
    let taken = call!(libc::vmsplice(from[0], &place, 1, 0))?;
    report.same("out of the pipe", (taken, &got[..5]), (5, &b"hello"[..]));
    report.same("the rest", read(from[0], &mut got), Ok(6));
    let none = call!(libc::tee(from[0], to[1], 1, libc::SPLICE_F_NONBLOCK));
    report.same("nothing to copy", none, Err(Errno(libc::EAGAIN)));
    let no_pipe = call!(libc::tee(0, 1, 1, 0x100));
    report.same("unknown flags", no_pipe, Err(Errno(libc::EINVAL)));
    for fd in [from[0], from[1], to[0], to[1]] {
        close(fd)?;
    }
    Ok(())
}

fn copy(
    input: i32,
    from: Option<i64>,
    output: i32,
    to: Option<i64>,
    length: usize,
) -> Result<usize, Errno> {
    let (mut from, mut to) = (from, to);
    let place = |offset: &mut Option<i64>| offset.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    let copied = call!(libc::syscall(
        libc::SYS_copy_file_range,
        input,
        place(&mut from),
        output,
        place(&mut to),
        length,
        0
    ))?;
    Ok(copied.unsigned_abs() as usize)
}

fn ranges(report: &mut Report) -> Result<(), Errno> {
    let bytes = content();
    let (input, output) = (file(&bytes)?, file(b"")?);
    let mut total = 0;
    while let count @ 1.. = copy(input, None, output, None, LONG)? {
        total += count;
    }
    report.same("copied", (total, position(input)?), (LONG, LONG as i64));
    report.check("the same", whole(output)? == bytes);
    let before = position(output)?;
    let part = copy(input, Some(10), output, Some(LONG as i64 + 5), 20);
    report.same("a part", part, Ok(20));
    report.same("where it stood", position(output)?, before);
    let now = whole(output)?;
    report.check("a hole", now[LONG..LONG + 5] == [0; 5]);
    report.check("and the part", now[LONG + 5..] == bytes[10..30]);
    let beyond = copy(input, Some(LONG as i64), output, Some(0), 20);
    report.same("beyond the end", beyond, Ok(0));
    let overlapping = copy(input, Some(0), input, Some(10), 20);
    report.same("overlapping", overlapping, Err(Errno(libc::EINVAL)));
    let ends = pipe()?;
    write(ends[1], b"x")?;
    let of_pipe = copy(ends[0], None, output, Some(0), 1);
    report.same("a pipe", of_pipe, Err(Errno(libc::EINVAL)));
    for fd in [input, output, ends[0], ends[1]] {
        close(fd)?;
    }
    Ok(())
}
