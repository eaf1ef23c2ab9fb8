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
