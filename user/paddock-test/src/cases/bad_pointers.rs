//! Addresses that are not the program's: every call says EFAULT, and the
//! machine goes on.

use std::ffi::c_void;

use super::Outcome;
use super::fault::KERNEL;
use crate::report::Report;
use crate::sys::{self, Errno, Map, call};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let page = Map::new(
        4096,
        libc::PROT_NONE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        -1,
    )?;
    let read_only = Map::new(
        4096,
        libc::PROT_READ,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        -1,
    )?;
    for (kind, address) in [
        ("page 0", 8),
        ("a protected page", page.start.addr()),
        ("the kernel", KERNEL),
        ("the end of the kernel", usize::MAX & !7),
        ("between the halves", 1 << 60),
    ] {
        let bad = std::ptr::without_provenance_mut(address);
        inputs(report, kind, bad)?;
        outputs(report, kind, bad)?;
    }
    outputs(report, "a read-only page", read_only.start.cast())?;
    across(report)?;
    executed(report)
}

/// Makes each call and tells which did not answer EFAULT.
fn expect(report: &mut Report, what: &str, calls: Vec<(&str, Result<i64, Errno>)>) {
    let mut wrong = Vec::new();
    for (name, found) in calls {
        if found != Err(Errno(libc::EFAULT)) {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    report.same(what, wrong, Vec::new());
}

/// A raw system call with `bad` among its arguments.
macro_rules! raw {
    ($name:ident, $($argument:expr),*) => {
        (stringify!($name), call!(libc::syscall(libc::$name, $($argument),*)))
    };
}

/// Calls that read from memory.
fn inputs(report: &mut Report, kind: &str, bad: *mut c_void) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let here = libc::AT_FDCWD;
    let socket = call!(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0))?;
    let good = c"/".as_ptr();
    let calls = vec![
        raw!(SYS_write, writer, bad, 10usize),
        raw!(SYS_writev, writer, bad, 1),
        raw!(SYS_openat, here, bad, 0, 0),
        raw!(SYS_execve, bad, 0usize, 0usize),
        raw!(SYS_chdir, bad),
        raw!(SYS_mkdirat, here, bad, 0o755),
        raw!(SYS_unlinkat, here, bad, 0),
        raw!(SYS_symlinkat, good, here, bad),
        raw!(SYS_renameat2, here, bad, here, good, 0),
        raw!(SYS_faccessat, here, bad, 0),
        raw!(SYS_rt_sigaction, libc::SIGUSR1, bad, 0usize, 8usize),
        raw!(SYS_rt_sigprocmask, 0, bad, 0usize, 8usize),
        raw!(SYS_nanosleep, bad, 0usize),
        raw!(SYS_ppoll, bad, 1usize, 0usize, 0usize, 8usize),
        raw!(SYS_bind, socket, bad, 16usize),
        raw!(SYS_connect, socket, bad, 16usize),
        raw!(SYS_sigaltstack, bad, 0usize),
    ];
    expect(report, &format!("reading from {kind}"), calls);
    for fd in [reader, writer, socket] {
        sys::close(fd)?;
    }
    Ok(())
}

/// Calls that write to memory.
fn outputs(report: &mut Report, kind: &str, bad: *mut c_void) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    sys::write_all(writer, b"some bytes to read")?;
    let here = libc::AT_FDCWD;
    let root = c"/".as_ptr();
    let folder = call!(libc::open(root, libc::O_RDONLY | libc::O_DIRECTORY))?;
    let zero = call!(libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY))?;
    let calls = vec![
        raw!(SYS_read, reader, bad, 10usize),
        raw!(SYS_read, zero, bad, 10usize),
        raw!(SYS_newfstatat, here, root, bad, 0),
        raw!(SYS_fstat, reader, bad),
        raw!(SYS_getdents64, folder, bad, 4096usize),
        raw!(SYS_getcwd, bad, 100usize),
        raw!(SYS_pipe2, bad, 0),
        raw!(SYS_uname, bad),
        raw!(SYS_clock_gettime, 1, bad),
        raw!(SYS_getrandom, bad, 10usize, 0),
        raw!(SYS_rt_sigaction, libc::SIGUSR1, 0usize, bad, 8usize),
        raw!(SYS_rt_sigprocmask, 0, 0usize, bad, 8usize),
        raw!(SYS_sigaltstack, 0usize, bad),
        raw!(SYS_ioctl, reader, libc::FIONREAD, bad),
    ];
    expect(report, &format!("writing to {kind}"), calls);
    let child = sys::fork(|| 0)?;
    let waited = vec![raw!(SYS_wait4, child, bad, 0, 0usize)];
    expect(report, &format!("a status for {kind}"), waited);
    let _ = sys::wait(child);
    for fd in [reader, writer, folder, zero] {
        sys::close(fd)?;
    }
    Ok(())
}

/// Memory that ends in the middle of what is asked for.
fn across(report: &mut Report) -> Outcome {
    let map = Map::memory(2 * 4096)?;
    map.protect(4096, 4096, libc::PROT_NONE)?;
    (0..4096).for_each(|at| map.write(at, b'a'));
    let edge = map.start.wrapping_add(4096 - 4);
    let opened = call!(libc::open(edge.cast(), libc::O_RDONLY));
    report.refused("a name without an end", opened, libc::EFAULT);
    map.write(4095, 0);
    let opened = call!(libc::open(edge.cast(), libc::O_RDONLY));
    report.refused("a name that ends in time", opened, libc::ENOENT);
    let stat = call!(libc::syscall(
        libc::SYS_newfstatat,
        libc::AT_FDCWD,
        c"/".as_ptr(),
        edge,
        0
    ));
    report.refused("a structure across the edge", stat, libc::EFAULT);
    let far = call!(libc::syscall(libc::SYS_read, 0, map.start, usize::MAX / 2));
    report.check("a length without end", far.is_err() || far == Ok(0));
    Ok(())
}

/// Bad arguments of execve leave the program as it is.
fn executed(report: &mut Report) -> Outcome {
    let program = c"/bin/sh".as_ptr();
    let bad: *mut c_void = std::ptr::without_provenance_mut(KERNEL);
    let list = [bad, std::ptr::null_mut()];
    let calls = vec![
        raw!(SYS_execve, program, bad, 0usize),
        raw!(SYS_execve, program, list.as_ptr(), 0usize),
        raw!(SYS_execve, program, 0usize, bad),
    ];
    expect(report, "arguments of execve", calls);
    Ok(())
}
