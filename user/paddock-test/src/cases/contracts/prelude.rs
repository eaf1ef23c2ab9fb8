//! What contracts are written with.

pub(in crate::cases::contracts) use super::super::Outcome;
pub(in crate::cases::contracts) use super::super::errors::raw;
pub(in crate::cases::contracts) use crate::report::Report;
pub(in crate::cases::contracts) use crate::sys::{self, End, Errno, Map, call};
pub(in crate::cases::contracts) use libc::*;
pub(in crate::cases::contracts) use std::ffi::{CStr, CString};
pub(in crate::cases::contracts) use std::ptr::{null, null_mut};

/// Calls, each with the error that it ends with.
macro_rules! no {
    ($report:expr; $($what:literal: $call:expr => $errno:ident;)*) => {
        $($report.refused($what, $crate::sys::call!($call), libc::$errno);)*
    };
}
pub(in crate::cases::contracts) use no;

/// Calls that succeed.
macro_rules! yes {
    ($report:expr; $($what:literal: $call:expr);* $(;)?) => {
        $($report.works($what, $crate::sys::call!($call));)*
    };
}
pub(in crate::cases::contracts) use yes;

/// Makes a file of the current folder.
pub(in crate::cases::contracts) fn file(name: &str, content: &[u8]) -> Outcome {
    std::fs::write(name, content).map_err(|error| error.to_string())
}

/// What is in one; nothing if it cannot be read.
pub(in crate::cases::contracts) fn text(name: &str) -> String {
    let bytes = std::fs::read(name).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Makes a folder.
pub(in crate::cases::contracts) fn folder(name: &str) -> Outcome {
    std::fs::create_dir(name).map_err(|error| error.to_string())
}

/// The status of an open file.
pub(in crate::cases::contracts) fn stat_of(fd: i32) -> Result<libc::stat, Errno> {
    // SAFETY: plain numbers.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    call!(libc::fstat(fd, &raw mut found))?;
    Ok(found)
}

/// The kind of an open file.
pub(in crate::cases::contracts) fn kind(fd: i32) -> Result<mode_t, Errno> {
    Ok(stat_of(fd)?.st_mode & S_IFMT)
}

/// A time.
pub(in crate::cases::contracts) fn time(seconds: i64, nanos: i64) -> timespec {
    timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    }
}

/// What poll(2) finds of these events, at once.
pub(in crate::cases::contracts) fn ready(fd: i32, events: i16) -> Result<i16, Errno> {
    let mut entry = pollfd {
        fd,
        events,
        revents: 0,
    };
    call!(libc::poll(&raw mut entry, 1, 0))?;
    Ok(entry.revents)
}

/// Has a signal ignored.
pub(in crate::cases::contracts) fn ignore(signal: i32) -> Result<(), Errno> {
    // SAFETY: the handler is none.
    let old = unsafe { libc::signal(signal, SIG_IGN) };
    match old {
        SIG_ERR => Err(Errno(sys::errno())),
        _ => Ok(()),
    }
}

/// A number that is no process's.
pub(in crate::cases::contracts) const NOBODYS: i32 = 0x3fff_fff0;

/// The user and the group who may do nothing in particular.
pub(in crate::cases::contracts) const NOBODY: u32 = 65_534;

/// Has a child look at something, with a report of its own.
pub(in crate::cases::contracts) fn apart(
    t: &mut Report,
    body: impl FnOnce(&mut Report) -> Outcome,
) -> Outcome {
    let end = sys::in_child(|| {
        let mut report = Report::new();
        if let Err(error) = body(&mut report) {
            report.fail("the child", &error);
        }
        i32::from(report.has_failed())
    })?;
    t.same("a child's part", end, End::Exited(0));
    Ok(())
}

/// Gives up all rights, for good.
pub(in crate::cases::contracts) fn become_nobody() -> Result<(), Errno> {
    raw!(SYS_setgroups, 0, 0)?;
    raw!(SYS_setresgid, NOBODY, NOBODY, NOBODY)?;
    raw!(SYS_setresuid, NOBODY, NOBODY, NOBODY)?;
    Ok(())
}

/// Likewise, a child that has no rights.
pub(in crate::cases::contracts) fn as_nobody(
    t: &mut Report,
    body: impl FnOnce(&mut Report) -> Outcome,
) -> Outcome {
    apart(t, |t| {
        become_nobody()?;
        body(t)
    })
}

/// A child that waits until it is killed, and does so already.
pub(in crate::cases::contracts) fn sleeper() -> Result<i32, Errno> {
    let child = sys::fork(|| {
        loop {
            sys::sleep_ms(60_000);
        }
    })?;
    sys::until_asleep(child)?;
    Ok(child)
}

/// Kills a child and takes its end.
pub(in crate::cases::contracts) fn end(child: i32) -> Result<End, Errno> {
    sys::kill(child, SIGKILL)?;
    sys::wait(child)
}

/// A word of a line of a file such as /proc/self/status, behind `name:`.
pub(in crate::cases::contracts) fn field(path: &str, name: &str) -> String {
    let text = text(path);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// The permissions of a file.
pub(in crate::cases::contracts) fn mode_of(path: &CStr) -> Result<u32, Errno> {
    // SAFETY: plain numbers.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    call!(libc::lstat(path.as_ptr(), &raw mut found))?;
    Ok(found.st_mode & 0o7777)
}
