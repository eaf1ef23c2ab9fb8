//! PID namespaces (pid_namespaces(7)), where they are allowed: for root.

use super::errors::raw;
use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

const NS_GET_PARENT: u64 = 0xb702;

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        println!("only root has namespaces of its own");
        return Ok(());
    }
    let folder = folder(words, "pid-namespaces")?;
    numbers(report);
    refusals(report);
    signals(report);
    family(report);
    ends(report)?;
    entering(report)?;
    owners(report)?;
    listing(report, &folder);
    depth(report);
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())
}

fn unshare(flags: i32) -> bool {
    call!(libc::unshare(flags)).is_ok()
}

fn pid() -> i32 {
    std::process::id() as i32
}

fn parent() -> i32 {
    // SAFETY: has no conditions.
    unsafe { libc::getppid() }
}

/// The status of a child that does what it must.
fn child(report: &mut Report, what: &str, body: impl FnOnce() -> bool) {
    let end = sys::in_child(|| i32::from(!body()));
    report.same(what, end, Ok(End::Exited(0)));
}

/// A process 1 that does what it must.
fn first(body: impl FnOnce() -> bool) -> bool {
    unshare(libc::CLONE_NEWPID)
        && sys::in_child(|| i32::from(!body())).is_ok_and(|end| end == End::Exited(0))
}

/// Another process that does what it must.
fn other(body: impl FnOnce() -> bool) -> bool {
    sys::in_child(|| i32::from(!body())).is_ok_and(|end| end == End::Exited(0))
}

/// The words behind a name in a file of `/proc/PID/status`.
fn status(path: &str, name: &str) -> Vec<i32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let words = line.unwrap_or_default().split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

fn numbers(report: &mut Report) {
    let outside = pid();
    child(report, "process 1 and 2", || {
        first(|| {
            pid() == 1
                && parent() == 0
                && sys::tid() == 1
                && raw!(SYS_getpgid, 0) == Ok(0)
                && raw!(SYS_getsid, 0) == Ok(0)
                && raw!(SYS_kill, outside, 0) == Err(Errno(libc::ESRCH))
                && other(|| pid() == 2 && parent() == 1 && raw!(SYS_setsid) == Ok(2))
                && other(|| {
                    pid() == 3 && raw!(SYS_setpgid, 0, 0) == Ok(0) && raw!(SYS_getpgid, 3) == Ok(3)
                })
                && std::thread::spawn(sys::tid)
                    .join()
                    .is_ok_and(|tid| tid == 4)
        })
    });
    child(report, "both numbers", || {
        let [told, tells] = sys::pipe().unwrap_or([-1; 2]);
        unshare(libc::CLONE_NEWPID)
            && sys::fork(|| i32::from(sys::read(told, &mut [0]) != Ok(1))).is_ok_and(|made| {
                let all = status(&format!("/proc/{made}/status"), "NSpid:");
                let own = status(&format!("/proc/{made}/status"), "Pid:");
                let _ = sys::write(tells, b"g");
                made > 1
                    && own == [made]
                    && all == [made, 1]
                    && sys::wait(made) == Ok(End::Exited(0))
            })
    });
    child(report, "links", || {
        let link = |name: &str| fs::read_link(format!("/proc/self/ns/{name}"));
        let own = link("pid").ok();
        let same = own.is_some() && link("pid_for_children").ok() == own;
        let made = unshare(libc::CLONE_NEWPID);
        let none =
            link("pid_for_children").is_err_and(|it| it.raw_os_error() == Some(libc::ENOENT));
        let [told, tells] = sys::pipe().unwrap_or([-1; 2]);
        let inner = sys::fork(|| i32::from(sys::read(told, &mut [0]) != Ok(1)));
        let other = link("pid_for_children").ok();
        let _ = sys::write(tells, b"g");
        let ended = inner.and_then(sys::wait) == Ok(End::Exited(0));
        same && made && none && link("pid").ok() == own && other.is_some() && other != own && ended
    });
}

fn refusals(report: &mut Report) {
    child(report, "nobody may", || {
        // SAFETY: takes a number.
        unsafe { libc::setuid(65534) };
        raw!(SYS_unshare, libc::CLONE_NEWPID) == Err(Errno(libc::EPERM))
    });
    child(report, "one at a time", || {
        unshare(libc::CLONE_NEWPID)
            && raw!(SYS_unshare, libc::CLONE_NEWPID) == Err(Errno(libc::EINVAL))
            && std::thread::Builder::new().spawn(|| ()).is_err()
    });
    child(report, "no sibling of process 1", || {
        first(|| {
            let flags = libc::CLONE_PARENT;
            raw!(SYS_clone, flags, 0, 0, 0, 0) == Err(Errno(libc::EINVAL))
        })
    });
}

static SENDER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes one that kill(2) has filled in.
    SENDER.store(unsafe { (*info).si_pid() }, Ordering::SeqCst);
}

fn notes(signal: i32) {
    // SAFETY: all zero is an action; the handler only stores a number.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

fn has_noted(sender: i32) -> bool {
    sys::until(|| SENDER.load(Ordering::SeqCst) != -1).is_ok()
        && SENDER.load(Ordering::SeqCst) == sender
}

fn signals(report: &mut Report) {
    child(report, "nothing from inside without a handler", || {
        first(|| {
            let mortal = |signal| other(|| sys::kill(1, signal).is_ok());
            mortal(libc::SIGTERM) && mortal(libc::SIGKILL) && mortal(libc::SIGSTOP) && {
                notes(libc::SIGUSR1);
                other(|| sys::kill(1, libc::SIGUSR1).is_ok()) && has_noted(5)
            }
        })
    });
    child(report, "from outside", || {
        let [told, tells] = sys::pipe().unwrap_or([-1; 2]);
        let made = unshare(libc::CLONE_NEWPID);
        let inside = sys::fork(|| {
            notes(libc::SIGUSR1);
            let _ = sys::write(tells, b"r");
            let noted = has_noted(0);
            let _ = sys::write(tells, &[u8::from(noted)]);
            sys::sleep_ms(1_000_000);
            0
        });
        let Ok(inside) = inside else { return false };
        let mut byte = [0];
        let _ = sys::read(told, &mut byte);
        // Not handled: from outside as well that is nothing.
        let sent = sys::kill(inside, libc::SIGTERM).is_ok();
        let sent = sent && sys::kill(inside, libc::SIGUSR1).is_ok();
        let _ = sys::read(told, &mut byte);
        made && sent
            && byte == [1]
            && sys::kill(inside, libc::SIGKILL).is_ok()
            && sys::wait(inside) == Ok(End::Killed(libc::SIGKILL))
    });
    child(report, "all is all inside", || {
        first(|| {
            let Ok(two) = sys::fork(|| {
                sys::sleep_ms(1_000_000);
                0
            }) else {
                return false;
            };
            two == 2
                && raw!(SYS_kill, -1, libc::SIGKILL) == Ok(0)
                && sys::wait(two) == Ok(End::Killed(libc::SIGKILL))
                && raw!(SYS_kill, -1, libc::SIGKILL) == Err(Errno(libc::ESRCH))
        })
    });
}

fn family(report: &mut Report) {
    child(report, "orphans are process 1's", || {
        first(|| {
            let [told, tells] = sys::pipe().unwrap_or([-1; 2]);
            let made = sys::in_child(|| {
                let own = pid();
                let orphan = sys::fork(|| {
                    let passed = sys::until(|| parent() != own);
                    let _ = sys::write(tells, &[u8::from(passed.is_ok() && parent() == 1)]);
                    7
                });
                i32::from(orphan != Ok(3))
            });
            let mut byte = [0];
            let _ = sys::read(told, &mut byte);
            made == Ok(End::Exited(0))
                && byte == [1]
                && sys::wait_with(-1, 0) == Ok((3, End::Exited(7)))
                && sys::wait_with(-1, 0) == Err(Errno(libc::ECHILD))
        })
    });
    child(report, "the parent outside is none", || {
        let outside = pid();
        let known = raw!(SYS_getpgid, 0) == Ok(i64::from(pid_group()));
        known && first(|| parent() == 0 && raw!(SYS_getpgid, outside) == Err(Errno(libc::ESRCH)))
    });
}

fn pid_group() -> i32 {
    // SAFETY: has no conditions.
    unsafe { libc::getpgrp() }
}

fn ends(report: &mut Report) -> Outcome {
    let [told, tells] = sys::pipe()?;
    let end = sys::in_child(|| {
        let made = first(|| {
            // One of them in a namespace of its own besides.
            let sleeps = || {
                let _ = sys::write(tells, b"s");
                sys::sleep_ms(1_000_000);
                0
            };
            let plain = sys::fork(sleeps).is_ok();
            let deep = unshare(libc::CLONE_NEWPID) && sys::fork(sleeps).is_ok();
            let mut ready = [0; 1];
            plain
                && deep
                && sys::read(told, &mut ready) == Ok(1)
                && sys::read(told, &mut ready) == Ok(1)
        });
        // It has ended, and so have all: nobody can come.
        let refused = sys::fork(|| 0) == Err(Errno(libc::ENOMEM));
        i32::from(!(made && refused))
    });
    report.same("with process 1 ends the namespace", end, Ok(End::Exited(0)));
    sys::close(tells)?;
    report.same("all have ended", sys::read(told, &mut [0]), Ok(0));
    sys::close(told)?;
    // Linux waits for its number for ever.
    child(report, "a group whose leader is gone", || {
        first(|| {
            let leader = sys::fork(|| i32::from(raw!(SYS_setpgid, 0, 0) != Ok(0)));
            leader.is_ok_and(|leader| {
                raw!(SYS_setpgid, leader, leader).is_ok()
                    && raw!(SYS_setpgid, 0, leader) == Ok(0)
                    && sys::wait(leader) == Ok(End::Exited(0))
            })
        })
    });
    Ok(())
}

fn entering(report: &mut Report) -> Outcome {
    let [told, tells] = sys::pipe()?;
    let [go, goes] = sys::pipe()?;
    let outer = File::open("/proc/self/ns/pid").map_err(|error| error.to_string())?;
    let keeper = sys::fork(|| {
        let inside = unshare(libc::CLONE_NEWPID)
            .then(|| {
                sys::fork(|| {
                    let _ = sys::read(go, &mut [0]);
                    // Not out of the own.
                    let out = raw!(SYS_setns, outer.as_raw_fd(), libc::CLONE_NEWPID);
                    i32::from(out != Err(Errno(libc::EINVAL)))
                })
            })
            .and_then(Result::ok)
            .unwrap_or(0);
        let _ = sys::write(tells, &inside.to_le_bytes());
        i32::from(sys::wait(inside) != Ok(End::Exited(0)))
    })?;
    let mut number = [0; 4];
    sys::read(told, &mut number)?;
    let inside = i32::from_le_bytes(number);
    report.check("a process 1", inside > 1);
    let path = format!("/proc/{inside}/ns/pid");
    let file = File::open(&path).map_err(|error| error.to_string())?;
    let above = call!(libc::ioctl(file.as_raw_fd(), NS_GET_PARENT as _))?;
    let above_is = fs::metadata(format!("/proc/self/fd/{above}")).map(|it| it.ino());
    let own_is = outer.metadata().map(|it| it.ino());
    report.same("the one around it", above_is.ok(), own_is.ok());
    let none = call!(libc::ioctl(above, NS_GET_PARENT as _));
    report.same("and around that", none, Err(Errno(libc::EPERM)));
    sys::close(above)?;
    child(report, "its children are inside", || {
        let fd = file.as_raw_fd();
        let own = pid();
        raw!(SYS_setns, fd, libc::CLONE_NEWPID) == Ok(0)
            && pid() == own
            && other(|| pid() == 2 && parent() == 0)
            && sys::fork(|| i32::from(pid() != 3))
                .is_ok_and(|made| made > 3 && sys::wait(made) == Ok(End::Exited(0)))
    });
    child(report, "by its process", || {
        let process = raw!(SYS_pidfd_open, inside, 0);
        process.is_ok_and(|process| {
            raw!(SYS_setns, process, libc::CLONE_NEWPID) == Ok(0) && other(|| parent() == 0)
        })
    });
    sys::write(goes, b"g")?;
    report.same("not out of it", sys::wait(keeper)?, End::Exited(0));
    super::close(&[told, tells, go, goes])
}

/// Who is named by a number that another namespace does not know.
fn owners(report: &mut Report) -> Outcome {
    let mut ends = [0; 2];
    call!(libc::socketpair(
        libc::AF_UNIX,
        libc::SOCK_STREAM,
        0,
        ends.as_mut_ptr()
    ))?;
    let [fd, _] = ends;
    call!(libc::fcntl(fd, libc::F_SETOWN, pid()))?;
    let own = call!(libc::fcntl(fd, libc::F_GETOWN))?;
    report.same("its owner", own, pid());
    child(report, "whom nobody knows inside", || {
        first(|| {
            let mut peer = libc::ucred {
                pid: -1,
                uid: 0,
                gid: 0,
            };
            let mut size = size_of::<libc::ucred>() as libc::socklen_t;
            let (place, size) = ((&raw mut peer).cast(), &raw mut size);
            let told = call!(libc::getsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                place,
                size
            ));
            told.is_ok()
                && peer.pid == 0
                && call!(libc::fcntl(fd, libc::F_GETOWN)) == Ok(0)
                && call!(libc::fcntl(fd, libc::F_SETOWN, 1)) == Ok(0)
                && call!(libc::fcntl(fd, libc::F_GETOWN)) == Ok(1)
        })
    });
    super::close(&ends)
}

fn listing(report: &mut Report, folder: &Path) {
    let place = sys::path(folder);
    child(report, "its own /proc", || {
        unshare(libc::CLONE_NEWNS)
            && call!(libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null()
            ))
            .is_ok()
            && first(|| {
                let mounted = call!(libc::mount(
                    c"proc".as_ptr(),
                    place.as_ptr(),
                    c"proc".as_ptr(),
                    0,
                    std::ptr::null()
                ));
                let own = |name: &str| folder.join(name);
                let link = |name: &str| fs::read_link(own(name)).ok();
                let status_of =
                    |name: &str, line| status(&format!("{}/{name}/status", folder.display()), line);
                mounted.is_ok()
                    && link("self").as_deref() == Some(Path::new("1"))
                    && link("thread-self").as_deref() == Some(Path::new("1/task/1"))
                    && status_of("1", "NSpid:") == [1]
                    && status_of("1", "PPid:") == [0]
                    && other(|| status_of("self", "PPid:") == [1] && listed(folder) == [1, 2])
                    && listed(folder) == [1]
                    && fs::read_link("/proc/self").is_ok_and(|it| it != Path::new("1"))
            })
    });
}

/// The processes that a mount of `/proc` lists, in order.
fn listed(proc: &Path) -> Vec<i32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut all: Vec<i32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    all.sort_unstable();
    all
}

/// One in another, until there is one too many.
fn depth(report: &mut Report) {
    fn deeper(levels: i32) -> i32 {
        match raw!(SYS_unshare, libc::CLONE_NEWPID) {
            Ok(_) if levels < 40 => match sys::in_child(|| deeper(levels + 1)) {
                Ok(End::Exited(code)) => code,
                _ => 100,
            },
            Err(Errno(libc::ENOSPC)) => levels,
            _ => 101,
        }
    }
    let end = sys::in_child(|| deeper(0));
    report.check(
        "levels",
        end.is_ok_and(|end| matches!(end, End::Exited(28..=32))),
    );
}
