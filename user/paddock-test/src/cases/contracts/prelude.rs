//! What contracts are written with.

pub(in crate::cases::contracts) use super::super::Outcome;
pub(in crate::cases::contracts) use super::super::errors::raw;
pub(in crate::cases::contracts) use crate::report::Report;
pub(in crate::cases::contracts) use crate::sys::{self, End, Errno, Map, call};
pub(in crate::cases::contracts) use libc::*;
pub(in crate::cases::contracts) use std::ffi::{CStr, CString};
pub(in crate::cases::contracts) use std::ptr::{null, null_mut};
pub(in crate::cases::contracts) use std::sync::atomic::AtomicI32;
pub(in crate::cases::contracts) use std::sync::atomic::Ordering::Relaxed;

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

/// As `raw!`, for a call that gives an `int`.
macro_rules! int {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        raw!($name $(, $argument)*).map(|it| it as i32)
    };
}
pub(in crate::cases::contracts) use int;

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
    become_user(NOBODY, NOBODY)
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
    line_of(path, &format!("{name}:"))
}

/// The permissions of a file.
pub(in crate::cases::contracts) fn mode_of(path: &CStr) -> Result<u32, Errno> {
    mode(&path.to_string_lossy())
}

/// A text for calls.
pub(in crate::cases::contracts) fn word(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// Opens a file.
pub(in crate::cases::contracts) fn opened(name: &str, flags: i32) -> Result<i32, Errno> {
    call!(open(word(name).as_ptr(), flags, 0o644))
}

/// The status of a name, of a symbolic link itself.
pub(in crate::cases::contracts) fn status(name: &str) -> Result<libc::stat, Errno> {
    // SAFETY: plain numbers.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    call!(lstat(word(name).as_ptr(), &raw mut found))?;
    Ok(found)
}

/// The mode of a name, without its kind.
pub(in crate::cases::contracts) fn mode(name: &str) -> Result<mode_t, Errno> {
    Ok(status(name)?.st_mode & 0o7777)
}

/// Becomes another user, who is in one group.
pub(in crate::cases::contracts) fn become_user(user: u32, group: u32) -> Result<(), Errno> {
    raw!(SYS_setgroups, 0, 0)?;
    raw!(SYS_setresgid, group, group, group)?;
    raw!(SYS_setresuid, user, user, user)?;
    Ok(())
}

/// How often `note` was called, and with which signal last.
pub(in crate::cases::contracts) static NOTED: AtomicI32 = AtomicI32::new(0);
pub(in crate::cases::contracts) static LAST: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32) {
    NOTED.fetch_add(1, Relaxed);
    LAST.store(signal, Relaxed);
}

/// Has a signal counted, with these flags of sigaction(2).
pub(in crate::cases::contracts) fn noted(signal: i32, flags: i32) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = note as extern "C" fn(i32) as usize;
    action.sa_flags = flags;
    call!(libc::sigaction(signal, &raw const action, null_mut())).map(drop)
}

/// The calling process's number.
pub(in crate::cases::contracts) fn own_pid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { getpid() }
}

/// The words behind a line's name in a file of /proc.
pub(in crate::cases::contracts) fn line_of(file: &str, name: &str) -> String {
    let text = text(file);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

/// What an ending status was: 0 for what was as said.
pub(in crate::cases::contracts) fn unless(good: bool) -> i32 {
    i32::from(!good)
}

/// A record lock, counted from the beginning.
pub(in crate::cases::contracts) fn record(kind: i32, start: i64, length: i64) -> libc::flock {
    // SAFETY: plain numbers.
    let mut it: libc::flock = unsafe { std::mem::zeroed() };
    (it.l_type, it.l_whence, it.l_start, it.l_len) = (kind as i16, SEEK_SET as i16, start, length);
    it
}

/// Sets a record lock, or asks for one, by this command.
pub(in crate::cases::contracts) fn lock_by(
    command: i32,
    fd: i32,
    kind: i32,
    start: i64,
    length: i64,
) -> Result<libc::flock, Errno> {
    let mut it = record(kind, start, length);
    call!(fcntl(fd, command, &raw mut it))?;
    Ok(it)
}

/// Commands of fcntl(2) that not every C library names.
pub(in crate::cases::contracts) const F_SETSIG: i32 = 10;
pub(in crate::cases::contracts) const F_GETSIG: i32 = 11;

/// A page of memory everywhere that contracts run.
pub(in crate::cases::contracts) const PAGE: usize = 4096;

/// A mapping's lines in /proc/self/smaps that begin with `name`; nothing if there is none.
pub(in crate::cases::contracts) fn smaps_of(at: *const u8, name: &str) -> Option<String> {
    let text = text("/proc/self/smaps");
    let from = format!("{:x}-", at.addr());
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&from));
    lines.next()?;
    let line = lines.find(|line| line.starts_with(name))?;
    line.strip_prefix(name).map(|rest| rest.trim().to_owned())
}

/// How a child ends that reads a byte, or writes it.
pub(in crate::cases::contracts) fn touching(
    map: &Map,
    offset: usize,
    writes: bool,
) -> Result<End, Errno> {
    sys::in_child(|| {
        if writes {
            map.write(offset, 1);
        } else {
            map.read(offset);
        }
        0
    })
}

/// 127.0.0.1 with a port.
pub(in crate::cases::contracts) fn local_port(port: u16) -> sockaddr_in {
    sockaddr_in {
        sin_family: AF_INET as sa_family_t,
        sin_port: port.to_be(),
        sin_addr: in_addr {
            s_addr: INADDR_LOOPBACK.to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// The port that a socket is bound to.
pub(in crate::cases::contracts) fn port_of(fd: i32) -> Result<u16, Errno> {
    let (mut address, mut length) = (local_port(0), size_of::<sockaddr_in>() as socklen_t);
    call!(getsockname(fd, (&raw mut address).cast(), &raw mut length))?;
    Ok(u16::from_be(address.sin_port))
}
