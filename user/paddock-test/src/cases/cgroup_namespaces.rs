//! Cgroup namespaces (cgroup_namespaces(7)), where control groups are to be had: for root.

use super::errors::raw;
use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// In a folder below argument 0 (`/tmp`) and in groups of their own, which are removed
/// again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    of_users(report);
    let tops = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let Some(top) = tops.iter().find(|top| top.join("cgroup.procs").exists()) else {
        println!("there are no groups");
        return Ok(());
    };
    let group = top.join(format!("cgroup-namespaces-{}", std::process::id()));
    if fs::create_dir_all(group.join("inner")).is_err() {
        println!("there are no groups to be made");
        return Ok(());
    }
    let folder = folder(words, "cgroup-namespaces")?;
    views(report, &group);
    mounted(report, &group, &folder);
    entering(report, &group);
    let _ = fs::remove_dir(&folder);
    let removed = [group.join("inner"), group.clone()]
        .iter()
        .try_for_each(fs::remove_dir);
    removed.map_err(|error| error.to_string())
}

fn unshare(flags: i32) -> bool {
    call!(libc::unshare(flags)).is_ok()
}

/// A child that is put into a group first.
fn child(report: &mut Report, what: &str, group: &Path, body: impl FnOnce() -> bool) {
    let end = sys::in_child(|| {
        let put = fs::write(group.join("cgroup.procs"), "0").is_ok();
        i32::from(!(put && body()))
    });
    report.same(what, end, Ok(End::Exited(0)));
}

fn other(body: impl FnOnce() -> bool) -> bool {
    sys::in_child(|| i32::from(!body())).is_ok_and(|end| end == End::Exited(0))
}

/// The group of a process as the caller sees it.
fn shown(pid: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("0::"));
    line.unwrap_or_default().to_owned()
}

fn inode(pid: &str) -> u64 {
    fs::metadata(format!("/proc/{pid}/ns/cgroup")).map_or(0, |it| it.ino())
}

/// What an ordinary user may do: nothing, or all in a user namespace.
fn of_users(report: &mut Report) {
    let end = sys::in_child(|| {
        // SAFETY: takes a number.
        unsafe { libc::setuid(54321) };
        let refused = raw!(SYS_unshare, libc::CLONE_NEWCGROUP) == Err(Errno(libc::EPERM));
        let before = inode("self");
        let made = unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWCGROUP);
        i32::from(!(refused && made && inode("self") != before && shown("self") == "/"))
    });
    report.same("of users", end, Ok(End::Exited(0)));
}

fn name(group: &Path) -> String {
    let name = group.file_name().unwrap_or_default().to_string_lossy();
    format!("/{name}")
}

fn views(report: &mut Report, group: &Path) {
    child(report, "the own group is the root", group, || {
        let before = inode("self");
        shown("self") == name(group)
            && unshare(libc::CLONE_NEWCGROUP)
            && inode("self") != before
            && shown("self") == "/"
            && other(|| shown("self") == "/")
            && shown(&parent()) == "/.."
            && fs::write(group.join("inner/cgroup.procs"), "0").is_ok()
            && shown("self") == "/inner"
            && unshare(libc::CLONE_NEWCGROUP)
            && shown("self") == "/"
            && fs::write(group.join("cgroup.procs"), "0").is_ok()
            && shown("self") == "/.."
    });
    child(report, "those outside see all", group, || {
        let ([told, tells], [ready, says]) = match (sys::pipe(), sys::pipe()) {
            (Ok(one), Ok(other)) => (one, other),
            _ => return false,
        };
        let made = sys::fork(|| {
            let made = unshare(libc::CLONE_NEWCGROUP);
            let _ = sys::write(says, b"m");
            i32::from(!(made && sys::read(told, &mut [0]) == Ok(1)))
        });
        made.is_ok_and(|pid| {
            let asked = sys::read(ready, &mut [0]) == Ok(1);
            let seen = shown(&pid.to_string()) == name(group);
            let _ = sys::write(tells, b"g");
            sys::wait(pid) == Ok(End::Exited(0)) && asked && seen
        })
    });
}

fn parent() -> String {
    // SAFETY: has no conditions.
    unsafe { libc::getppid() }.to_string()
}

fn mounted(report: &mut Report, group: &Path, folder: &Path) {
    let place = sys::path(folder);
    let kind = c"cgroup2".as_ptr();
    child(report, "a mount shows the own group", group, || {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let none = std::ptr::null::<i8>();
        unshare(libc::CLONE_NEWCGROUP | libc::CLONE_NEWNS)
            && raw!(SYS_mount, none, c"/".as_ptr(), none, private, 0) == Ok(0)
            && raw!(SYS_mount, kind, place.as_ptr(), kind, 0, 0) == Ok(0)
            && folder.join("inner/cgroup.procs").exists()
            && folder.join("cgroup.type").exists()
            && fs::read_to_string(folder.join("cgroup.procs"))
                .is_ok_and(|all| all.trim() == std::process::id().to_string())
            && raw!(SYS_umount2, place.as_ptr(), 0) == Ok(0)
    });
}

fn entering(report: &mut Report, group: &Path) {
    let first = fs::File::open("/proc/self/ns/cgroup");
    child(report, "and back", group, || {
        let Ok(first) = first else { return false };
        let before = inode("self");
        unshare(libc::CLONE_NEWCGROUP)
            && raw!(SYS_setns, first.as_raw_fd(), libc::CLONE_NEWUTS) == Err(Errno(libc::EINVAL))
            && raw!(SYS_setns, first.as_raw_fd(), libc::CLONE_NEWCGROUP) == Ok(0)
            && inode("self") == before
            && shown("self") == name(group)
    });
}
