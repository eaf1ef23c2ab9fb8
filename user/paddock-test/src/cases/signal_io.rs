//! Signal-driven I/O: `O_ASYNC`, owners, and what the signal tells.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::{Outcome, close};
use crate::report::Report;
use crate::sys::{self, Errno, call};

/// `F_SETOWN` and its kin, as the kernel numbers them.
const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_SETSIG: i32 = 10;
const F_GETSIG: i32 = 11;
const F_OWNER_TID: i32 = 0;
const F_OWNER_PGRP: i32 = 2;
const POLL_IN: i32 = 1;
const FIOASYNC: libc::Ioctl = 0x5452;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let chosen = libc::SIGRTMIN() + 3;
    sys::block_signals(&[libc::SIGIO, chosen])?;
    settings(report, chosen)?;
    pipes(report, chosen)?;
    pairs(report)?;
    connections(report).map_err(|error| error.to_string())?;
    terminals(report)?;
    owners(report)
}

/// What one signal says: its code, poll(2)'s bits and the descriptor.
type Told = (i32, i64, i32);

/// Waits for a signal, `ms` at most.
fn wait(signal: i32, ms: u64) -> Result<Option<Told>, Errno> {
    let limit = Duration::from_millis(ms);
    let limit = libc::timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: limit.subsec_nanos().into(),
    };
    let mut info = [0i64; 16];
    let set = sys::signal_set(&[signal]);
    let found = call!(libc::sigtimedwait(&set, info.as_mut_ptr().cast(), &limit));
    match found {
        Ok(_) => Ok(Some((info[1] as i32, info[2], info[3] as i32))),
        Err(Errno(libc::EAGAIN)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a signal comes.
fn comes(signal: i32) -> Result<bool, Errno> {
    wait(signal, 10_000).map(|told| told.is_some())
}

/// Whether none is there, nor comes soon.
fn silent(signal: i32) -> Result<bool, Errno> {
    wait(signal, 50).map(|told| told.is_none())
}

fn set_async(fd: i32, on: bool) -> Result<i32, Errno> {
    let on = i32::from(on);
    call!(libc::ioctl(fd, FIOASYNC, &on))
}

fn own(fd: i32) -> Result<i32, Errno> {
    call!(libc::fcntl(fd, libc::F_SETOWN, libc::getpid()))
}

fn settings(report: &mut Report, chosen: i32) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let set = |command: i32, value: i32| call!(libc::fcntl(reader, command, value));
    let get = |command: i32| call!(libc::fcntl(reader, command));
    // SAFETY: takes nothing.
    let (pid, group) = unsafe { (libc::getpid(), libc::getpgrp()) };
    report.same("nobody owns it", get(libc::F_GETOWN), Ok(0));
    report.works("a process", set(libc::F_SETOWN, pid));
    report.same("is told", get(libc::F_GETOWN), Ok(pid));
    report.works("nobody again", set(libc::F_SETOWN, 0));
    report.same("is told as well", get(libc::F_GETOWN), Ok(0));
    let nobody = set(libc::F_SETOWN, 0x3fff_fff0);
    report.refused("nobody there", nobody, libc::ESRCH);
    report.refused("no group", set(libc::F_SETOWN, i32::MIN), libc::EINVAL);
    let mut pair = [F_OWNER_PGRP, group];
    let name = "a group";
    report.works(name, call!(libc::fcntl(reader, F_SETOWN_EX, &pair)));
    pair = [0, 0];
    call!(libc::fcntl(reader, F_GETOWN_EX, &mut pair))?;
    report.same("is told with its kind", pair, [F_OWNER_PGRP, group]);
    pair[0] = 9;
    let unknown = call!(libc::fcntl(reader, F_SETOWN_EX, &pair));
    report.refused("no such kind", unknown, libc::EINVAL);
    report.same("no signal is chosen", get(F_GETSIG), Ok(0));
    report.works("one is", set(F_SETSIG, chosen));
    report.same("and told", get(F_GETSIG), Ok(chosen));
    report.refused("none such", set(F_SETSIG, 65), libc::EINVAL);
    report.works("on", set_async(reader, true));
    let flags = get(libc::F_GETFL)?;
    report.check("is a flag", flags & libc::O_ASYNC != 0);
    report.works("off", set(libc::F_SETFL, flags & !libc::O_ASYNC));
    let flags = get(libc::F_GETFL)?;
    report.check("is none", flags & libc::O_ASYNC == 0);
    let file = call!(libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY))?;
    report.refused("no file", set_async(file, true), libc::ENOTTY);
    let place = call!(libc::open(c"/etc/passwd".as_ptr(), libc::O_PATH))?;
    report.refused("no place", own(place), libc::EBADF);
    close(&[reader, writer, file, place])
}

fn pipes(report: &mut Report, chosen: i32) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    set_async(reader, true)?;
    sys::write_all(writer, b"x")?;
    report.same("nobody hears", silent(libc::SIGIO), Ok(true));
    own(reader)?;
    sys::write_all(writer, b"x")?;
    report.same("data is told", comes(libc::SIGIO), Ok(true));
    report.same("once", silent(libc::SIGIO), Ok(true));
    sys::read(reader, &mut [0; 8])?;
    report.same("reading is not told", silent(libc::SIGIO), Ok(true));
    call!(libc::fcntl(reader, F_SETSIG, chosen))?;
    sys::write_all(writer, b"x")?;
    let expected = (POLL_IN, i64::from(libc::POLLIN | libc::POLLRDNORM), reader);
    report.same("with details", wait(chosen, 10_000), Ok(Some(expected)));
    set_async(reader, false)?;
    sys::write_all(writer, b"x")?;
    report.same("not when it is off", silent(chosen), Ok(true));
    set_async(reader, true)?;
    report.same("nor for what was there", silent(chosen), Ok(true));
    sys::close(writer)?;
    report.same("the end is told", comes(chosen), Ok(true));
    close(&[reader])
}

fn pairs(report: &mut Report) -> Outcome {
    let mut pair = [0; 2];
    let kind = libc::SOCK_STREAM;
    call!(libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()))?;
    let [one, other] = pair;
    report.works("a socket", set_async(one, true));
    // SAFETY: takes nothing.
    let pid = unsafe { libc::getpid() };
    let set = call!(libc::ioctl(one, 0x8902, &pid));
    report.works("owned by ioctl", set);
    let mut found = 0;
    call!(libc::ioctl(one, 0x8904, &mut found))?;
    report.same("and told", found, pid);
    sys::write_all(other, b"x")?;
    report.same("data is told", comes(libc::SIGIO), Ok(true));
    sys::write_all(one, b"x")?;
    report.same("writing is not", silent(libc::SIGIO), Ok(true));
    close(&[one, other])
}

fn connections(report: &mut Report) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let fd = listener.as_raw_fd();
    report.works("a listener", set_async(fd, true).and_then(|_| own(fd)));
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    report.same("a connection is told", comes(libc::SIGIO), Ok(true));
    let (server, _) = listener.accept()?;
    drop(listener);
    let fd = server.as_raw_fd();
    report.works("a connection", set_async(fd, true).and_then(|_| own(fd)));
    let _ = wait(libc::SIGIO, 50);
    std::io::Write::write_all(&mut client, b"x")?;
    report.same("data is told", comes(libc::SIGIO), Ok(true));
    drop(client);
    report.same("the end is told", comes(libc::SIGIO), Ok(true));
    Ok(())
}

fn terminals(report: &mut Report) -> Outcome {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    let master = call!(libc::posix_openpt(flags))?;
    call!(libc::unlockpt(master))?;
    let mut name = [0; 64];
    call!(libc::ptsname_r(master, name.as_mut_ptr(), name.len()).saturating_neg())?;
    let slave = call!(libc::open(name.as_ptr(), flags))?;
    report.works(
        "a terminal",
        set_async(slave, true).and_then(|_| own(slave)),
    );
    sys::write_all(slave, b"text\n")?;
    report.same("its output is not told", silent(libc::SIGIO), Ok(true));
    sys::write_all(master, b"line\n")?;
    report.same("its input is", comes(libc::SIGIO), Ok(true));
    close(&[slave, master])
}

/// A child hears of it, one of its threads, or a whole group.
fn owners(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    set_async(reader, true)?;
    let [ready, begin] = sys::pipe()?;
    let child = sys::fork(|| {
        // SAFETY: takes nothing; makes a group of its own.
        unsafe { libc::setpgid(0, 0) };
        let heard = sys::write(begin, b"x").is_ok()
            && comes(libc::SIGIO) == Ok(true)
            && sys::write(begin, b"x").is_ok()
            && comes(libc::SIGIO) == Ok(true);
        i32::from(!heard)
    })?;
    sys::read(ready, &mut [0])?;
    let group = [F_OWNER_PGRP, child];
    call!(libc::fcntl(reader, F_SETOWN_EX, &group))?;
    sys::write_all(writer, b"x")?;
    sys::read(ready, &mut [0])?;
    let thread = [F_OWNER_TID, child];
    call!(libc::fcntl(reader, F_SETOWN_EX, &thread))?;
    sys::write_all(writer, b"x")?;
    report.same("others hear", sys::wait(child), Ok(sys::End::Exited(0)));
    report.same("but not oneself", silent(libc::SIGIO), Ok(true));
    let owner = call!(libc::fcntl(reader, libc::F_GETOWN));
    report.same("who is gone owns nothing", owner, Ok(0));
    close(&[reader, writer, ready, begin])
}
