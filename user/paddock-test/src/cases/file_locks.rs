//! Advisory locks (fcntl(2), flock(2)): who is in the way, who waits, and what goes
//! with its owner.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, call, close, read};

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "locks")?;
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(folder.join("file"))
        .map_err(|error| error.to_string())?;
    let outcome = told(report, &file)
        .and_then(|()| gone(report, &file, &folder))
        .and_then(|()| deadlock(report, &file));
    std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    Ok(outcome?)
}

fn lock_of(kind: i32, start: i64, length: i64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: length,
        l_pid: 0,
    }
}

fn lock(file: &File, command: i32, kind: i32, start: i64, length: i64) -> Result<i32, Errno> {
    let mut lock = lock_of(kind, start, length);
    call!(libc::fcntl(file.as_raw_fd(), command, &raw mut lock))
}

/// `F_GETLK`: kind, start, length and process of what is in the way.
fn in_the_way(file: &File, kind: i32, start: i64, length: i64) -> Result<[i64; 4], Errno> {
    let mut lock = lock_of(kind, start, length);
    call!(libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock))?;
    Ok([
        lock.l_type.into(),
        lock.l_start,
        lock.l_len,
        lock.l_pid.into(),
    ])
}

/// Asks in a child, which has other locks than this process; true if `body` is.
fn in_other(body: impl FnOnce() -> bool) -> Result<bool, Errno> {
    let end = sys::in_child(|| i32::from(!body()))?;
    Ok(matches!(end, End::Exited(0)))
}

/// What is in the way is told as it is held, not as it was asked for.
fn told(report: &mut Report, file: &File) -> Result<(), Errno> {
    let own = i64::from(std::process::id());
    let (write, shared) = (i64::from(libc::F_WRLCK), i64::from(libc::F_RDLCK));
    lock(file, libc::F_SETLK, libc::F_WRLCK, 10, 20)?;
    lock(file, libc::F_SETLK, libc::F_UNLCK, 15, 5)?;
    lock(file, libc::F_SETLK, libc::F_RDLCK, 25, 0)?;
    report.check(
        "a part that was let go of is free",
        in_other(|| lock(file, libc::F_SETLK, libc::F_WRLCK, 15, 5).is_ok())?,
    );
    for (name, kind, start, length, expected) in [
        ("before the gap", libc::F_RDLCK, 0, 100, [write, 10, 5, own]),
        ("after the gap", libc::F_RDLCK, 15, 100, [write, 20, 5, own]),
        (
            "shared, to the end",
            libc::F_WRLCK,
            25,
            1,
            [shared, 25, 0, own],
        ),
    ] {
        report.check(
            name,
            in_other(|| in_the_way(file, kind, start, length) == Ok(expected))?,
        );
    }
    let free = in_other(|| in_the_way(file, libc::F_RDLCK, 100, 1).is_ok_and(|it| it[0] == 2))?;
    report.check("shared beside shared", free);
    report.same(
        "its own is in nobody's way",
        in_the_way(file, libc::F_WRLCK, 0, 0)?[0],
        2,
    );
    report.refused(
        "no bytes",
        lock(file, libc::F_SETLK, libc::F_WRLCK, 0, -1),
        libc::EINVAL,
    );
    lock(file, libc::F_SETLK, libc::F_UNLCK, 0, 0).map(drop)
}

/// Locks go with a descriptor that is closed, whichever it is, and with the process.
fn gone(report: &mut Report, file: &File, folder: &Path) -> Result<(), Errno> {
    lock(file, libc::F_SETLK, libc::F_WRLCK, 0, 1)?;
    drop(File::open(folder.join("file")));
    report.check(
        "closed by another descriptor",
        in_other(|| lock(file, libc::F_SETLK, libc::F_WRLCK, 0, 1).is_ok())?,
    );
    let [reader, writer] = sys::pipe()?;
    let holder = sys::fork(|| {
        let held = lock(file, libc::F_SETLK, libc::F_WRLCK, 0, 1).is_ok();
        let _ = sys::write_all(writer, &[u8::from(held)]);
        sys::sleep_ms(1_000_000);
        0
    })?;
    read(reader, &mut [0])?;
    report.refused(
        "held",
        lock(file, libc::F_SETLK, libc::F_RDLCK, 0, 1),
        libc::EAGAIN,
    );
    let waiting =
        sys::fork(|| i32::from(lock(file, libc::F_SETLKW, libc::F_WRLCK, 0, 1).is_err()))?;
    sys::sleep_ms(50);
    call!(libc::kill(holder, libc::SIGKILL))?;
    report.same(
        "who waits has it when the holder is killed",
        sys::wait(waiting)?,
        End::Exited(0),
    );
    sys::wait(holder)?;
    close(reader)?;
    close(writer)?;
    let flocked = call!(libc::flock(file.as_raw_fd(), libc::LOCK_EX));
    report.same("flock(2)", flocked, Ok(0));
    report.check(
        "does not see fcntl(2)'s",
        in_other(|| lock(file, libc::F_SETLK, libc::F_WRLCK, 0, 0).is_ok())?,
    );
    call!(libc::flock(file.as_raw_fd(), libc::LOCK_UN)).map(drop)
}

/// Two that would wait for each other: one of them is refused, and the other gets on.
fn deadlock(report: &mut Report, file: &File) -> Result<(), Errno> {
    let [reader, writer] = sys::pipe()?;
    let refused = Err(Errno(libc::EDEADLK));
    lock(file, libc::F_SETLK, libc::F_WRLCK, 0, 1)?;
    let other = sys::fork(|| {
        let held = lock(file, libc::F_SETLK, libc::F_WRLCK, 1, 1).is_ok();
        let _ = sys::write_all(writer, &[u8::from(held)]);
        match lock(file, libc::F_SETLKW, libc::F_WRLCK, 0, 1) {
            Ok(_) => 0,
            result if result == refused => 1,
            Err(_) => 2,
        }
    })?;
    read(reader, &mut [0])?;
    let own = lock(file, libc::F_SETLKW, libc::F_WRLCK, 1, 1);
    lock(file, libc::F_SETLK, libc::F_UNLCK, 0, 0)?;
    let others = sys::wait(other)?;
    let one_of_two = match others {
        End::Exited(0) => own == refused,
        End::Exited(1) => own.is_ok(),
        _ => false,
    };
    report.check("of a circle of two one is refused", one_of_two);
    close(reader)?;
    close(writer).map(drop)
}
