//! User namespaces (user_namespaces(7)), of an ordinary user and of root.

mod mounts;
mod of_root;
mod told;

use super::errors::raw;
use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const NS_GET_USERNS: u64 = 0xb701;
const NS_GET_PARENT: u64 = 0xb702;
const NS_GET_OWNER_UID: u64 = 0xb704;
/// An ordinary user, and the group of the same number.
const USER: u32 = 54321;
const NOBODY: u32 = 65534;
const ALL: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWPID;

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "user-namespaces")?;
    let open = fs::set_permissions(&folder, fs::Permissions::from_mode(0o777));
    open.map_err(|error| error.to_string())?;
    own_map(report);
    wrong_maps(report);
    outside(report, &folder);
    inside(report, &folder);
    mounts::inherited(report, &folder);
    processes(report);
    told::run(report);
    nesting(report);
    refusals(report);
    if is_root() {
        of_root::run(report, &folder);
    }
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())
}

fn is_root() -> bool {
    // SAFETY: has no conditions.
    unsafe { libc::geteuid() == 0 }
}

fn ids() -> (u32, u32) {
    // SAFETY: have no conditions.
    unsafe { (libc::getuid(), libc::getgid()) }
}

/// Becomes an ordinary user, if the caller is none.
fn drop_rights() -> bool {
    let dropped = !is_root()
        || raw!(SYS_setgroups, 0, 0).is_ok()
            && raw!(SYS_setresgid, USER, USER, USER).is_ok()
            && raw!(SYS_setresuid, USER, USER, USER).is_ok();
    // What a process may be looked into by goes with its rights.
    dropped && raw!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0).is_ok()
}

fn unshare(flags: i32) -> bool {
    call!(libc::unshare(flags)).is_ok()
}

/// A child that does what it must as an ordinary user.
fn user(report: &mut Report, what: &str, body: impl FnOnce() -> bool) {
    let end = sys::in_child(|| i32::from(!(drop_rights() && body())));
    report.same(what, end, Ok(End::Exited(0)));
}

/// A child that does what it must as who the caller is.
fn child(report: &mut Report, what: &str, body: impl FnOnce() -> bool) {
    let end = sys::in_child(|| i32::from(!body()));
    report.same(what, end, Ok(End::Exited(0)));
}

fn other(body: impl FnOnce() -> bool) -> bool {
    sys::in_child(|| i32::from(!body())).is_ok_and(|end| end == End::Exited(0))
}

/// What a write to a file of `/proc` ends with.
fn put(path: &str, text: &str) -> Result<usize, i32> {
    let file = OpenOptions::new().write(true).open(path);
    let written = file.and_then(|mut file| file.write(text.as_bytes()));
    written.map_err(|error| error.raw_os_error().unwrap_or(0))
}

/// The user of the namespace around is user 0 of a new one, with others of these kinds.
fn as_root_of(flags: i32) -> bool {
    let (uid, gid) = ids();
    unshare(flags | libc::CLONE_NEWUSER)
        && put("/proc/self/uid_map", &format!("0 {uid} 1")).is_ok()
        && put("/proc/self/setgroups", "deny").is_ok()
        && put("/proc/self/gid_map", &format!("0 {gid} 1")).is_ok()
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The words behind a name in `/proc/PID/status`.
fn status(pid: &str, name: &str) -> String {
    let text = text(&format!("/proc/{pid}/status"));
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().replace('\t', " ")
}

fn own_map(report: &mut Report) {
    user(report, "nobody until there is a map", || {
        unshare(libc::CLONE_NEWUSER)
            && ids() == (NOBODY, NOBODY)
            && text("/proc/self/uid_map").is_empty()
            && status("self", "Uid:") == "65534 65534 65534 65534"
            && status("self", "CapEff:") == status("self", "CapBnd:")
            && status("self", "CapEff:").starts_with("000001f")
            && raw!(SYS_setuid, 0) == Err(Errno(libc::EINVAL))
    });
    user(report, "one maps oneself", || {
        let (uid, gid) = ids();
        let allow = || text("/proc/self/setgroups");
        unshare(libc::CLONE_NEWUSER)
            && put("/proc/self/uid_map", &format!("0 {uid} 1\n"))
                == Ok(format!("0 {uid} 1\n").len())
            && ids() == (0, NOBODY)
            && put("/proc/self/uid_map", &format!("0 {uid} 1")) == Err(libc::EPERM)
            && put("/proc/self/gid_map", &format!("0 {gid} 1")) == Err(libc::EPERM)
            && allow() == "allow\n"
            && raw!(SYS_setgroups, 0, 0) == Err(Errno(libc::EPERM))
            && put("/proc/self/setgroups", "deny\n").is_ok()
            && allow() == "deny\n"
            && put("/proc/self/setgroups", "allow") == Err(libc::EPERM)
            && put("/proc/self/gid_map", &format!("7 {gid} 1")).is_ok()
            && ids() == (0, 7)
            && raw!(SYS_setgroups, 0, 0) == Err(Errno(libc::EPERM))
            && text("/proc/self/uid_map") == format!("{:10} {uid:10} {:10}\n", 0, 1)
            && raw!(SYS_setuid, 1) == Err(Errno(libc::EINVAL))
            && raw!(SYS_setuid, 0) == Ok(0)
            && raw!(SYS_setresgid, 7, 7, 0) == Err(Errno(libc::EINVAL))
            && raw!(SYS_setfsuid, 1) == Ok(0)
            && raw!(SYS_setfsuid, -1) == Ok(0)
    });
    child(report, "the first one's map", || {
        let all = text("/proc/self/uid_map");
        let words: Vec<_> = all.split_whitespace().collect();
        words.len() == 3 && words[0] == "0" && put("/proc/self/uid_map", "0 0 1").is_err()
    });
}

fn wrong_maps(report: &mut Report) {
    user(report, "maps that are none", || {
        let (uid, _) = ids();
        let long = "0 0 1\n".repeat(400);
        let wrong = [
            "",
            "0",
            "0 0",
            "0 0 0",
            "0 0 1 0",
            "x 0 1",
            "0 -1 1",
            "4294967295 0 1",
            "0 0 4294967295\n5 5 5",
            "0 0 1\n0 1 1",
            "0 1 1\n1 1 1",
            &long,
        ];
        let refused = |text: &&str| {
            let result = put("/proc/self/uid_map", text);
            // Nothing at all is nothing written.
            result == Err(libc::EINVAL) || text.is_empty() && result.is_ok()
        };
        unshare(libc::CLONE_NEWUSER)
            && wrong.iter().all(refused)
            && put("/proc/self/uid_map", "0 0 1") == Err(libc::EPERM)
            && put("/proc/self/uid_map", &format!("0 {uid} 2")) == Err(libc::EPERM)
            && put("/proc/self/uid_map", &format!("0 {uid} 1\n1 1 1")) == Err(libc::EPERM)
            && put("/proc/self/setgroups", "denied!!") == Err(libc::EINVAL)
            && put("/proc/self/setgroups", "no") == Err(libc::EINVAL)
            && put("/proc/self/uid_map", &format!("{uid} {uid} 1")).is_ok()
            && ids().0 == uid
    });
}

/// What a namespace's root may not do.
fn outside(report: &mut Report, folder: &Path) {
    let probe = folder.join("probe");
    let device = CString::new(folder.join("device").as_os_str().as_encoded_bytes());
    let device = device.unwrap_or_default();
    user(report, "no rights outside", || {
        let eperm = Err(Errno(libc::EPERM));
        let root = c"/";
        let made = File::create(&probe).is_ok();
        let time = [0u64; 2];
        let limit = [u64::MAX - 1; 2];
        made && as_root_of(0)
            && raw!(SYS_sethostname, c"x".as_ptr(), 1) == eperm
            && raw!(
                SYS_mount,
                c"x".as_ptr(),
                c"/tmp".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                0
            ) == eperm
            && raw!(SYS_umount2, c"/proc".as_ptr(), 0) == eperm
            && raw!(SYS_kill, 1, 0) == eperm
            && raw!(SYS_fchownat, libc::AT_FDCWD, root.as_ptr(), 0, 0, 0) == eperm
            && raw!(SYS_fchmodat, libc::AT_FDCWD, root.as_ptr(), 0o777) == eperm
            && raw!(SYS_clock_settime, 0, time.as_ptr()) == eperm
            && raw!(
                SYS_mknodat,
                libc::AT_FDCWD,
                device.as_ptr(),
                libc::S_IFCHR | 0o666,
                0x103
            ) == eperm
            && raw!(SYS_setpriority, libc::PRIO_PROCESS, 1, 5) == eperm
            && raw!(SYS_prlimit64, 1, libc::RLIMIT_NOFILE, limit.as_ptr(), 0) == eperm
            && raw!(SYS_unshare, libc::CLONE_NEWUTS) == Ok(0)
            && fs::metadata("/").is_ok_and(|it| (it.uid(), it.gid()) == (NOBODY, NOBODY))
            && fs::metadata(&probe).is_ok_and(|it| (it.uid(), it.gid()) == (0, 0))
            && fs::read_link("/proc/1/ns/user").is_err()
    });
    user(report, "files", || {
        let given = folder.join("given");
        File::create(&given).is_ok()
            && as_root_of(0)
            && fs::set_permissions(&given, fs::Permissions::from_mode(0o000)).is_ok()
            && File::open(&given).is_ok()
            && std::os::unix::fs::chown(&given, Some(0), Some(0)).is_ok()
            && std::os::unix::fs::chown(&given, Some(1), None)
                .is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
            && fs::remove_file(&given).is_ok()
    });
    let _ = fs::remove_file(&probe);
}

/// What it may do with what belongs to it.
fn inside(report: &mut Report, folder: &Path) {
    user(report, "names of the host", || {
        let mut before: libc::utsname = zeroed();
        // SAFETY: it is one.
        let asked = unsafe { libc::uname(&raw mut before) } == 0;
        asked
            && as_root_of(libc::CLONE_NEWUTS)
            && raw!(SYS_sethostname, c"inside".as_ptr(), 6) == Ok(0)
    });
    user(report, "a filesystem in memory", || {
        let place = folder.join("mem");
        let at = sys::path(&place);
        let tmpfs = c"tmpfs".as_ptr();
        let mount =
            |data: &std::ffi::CStr| raw!(SYS_mount, tmpfs, at.as_ptr(), tmpfs, 0, data.as_ptr());
        fs::create_dir(&place).is_ok()
            && as_root_of(libc::CLONE_NEWNS)
            && mount(c"uid=1").is_err()
            && mount(c"mode=755").is_ok()
            && fs::write(place.join("f"), "f").is_ok()
            && fs::metadata(place.join("f")).is_ok_and(|it| (it.uid(), it.gid()) == (0, 0))
            && raw!(SYS_umount2, at.as_ptr(), 0) == Ok(0)
            && !place.join("f").exists()
    });
    user(report, "a process 1 and its processes", || {
        as_root_of(ALL & !libc::CLONE_NEWUSER)
            && other(|| {
                std::process::id() == 1
                    && raw!(
                        SYS_mount,
                        c"proc".as_ptr(),
                        c"/proc".as_ptr(),
                        c"proc".as_ptr(),
                        14,
                        0
                    ) == Ok(0)
                    && status("1", "Uid:") == "0 0 0 0"
                    && status("1", "NSpid:") == "1"
            })
    });
    user(report, "no processes without their namespace", || {
        let proc = c"proc".as_ptr();
        as_root_of(libc::CLONE_NEWNS)
            && raw!(SYS_mount, proc, c"/proc".as_ptr(), proc, 0, 0) == Err(Errno(libc::EPERM))
            && raw!(
                SYS_mount,
                c"x".as_ptr(),
                c"/proc".as_ptr(),
                c"sysfs".as_ptr(),
                0,
                0
            ) == Err(Errno(libc::EPERM))
    });
    user(report, "a root of its own", || {
        as_root_of(0)
            && raw!(SYS_chroot, c"/tmp".as_ptr()) == Ok(0)
            && raw!(SYS_unshare, libc::CLONE_NEWUSER) == Err(Errno(libc::EPERM))
    });
}

fn zeroed<T>() -> T {
    // SAFETY: only for structures of numbers.
    unsafe { std::mem::zeroed() }
}

/// A process of a new namespace that waits, and what another one does with it.
fn beside(flags: i32, look: impl FnOnce(i32) -> bool) -> bool {
    let ([told, tells], [ready, says]) = match (sys::pipe(), sys::pipe()) {
        (Ok(one), Ok(other)) => (one, other),
        _ => return false,
    };
    let Ok(pid) = sys::fork(|| {
        let made = as_root_of(flags);
        let _ = sys::write(says, if made { b"y" } else { b"n" });
        i32::from(sys::read(told, &mut [0]) != Ok(1))
    }) else {
        return false;
    };
    let mut answer = [0];
    let is_made = sys::read(ready, &mut answer) == Ok(1) && answer == *b"y";
    let fine = is_made && look(pid);
    let _ = sys::write(tells, b"g");
    sys::wait(pid) == Ok(End::Exited(0)) && fine
}

fn opened(path: &str) -> Option<File> {
    File::open(path).ok()
}

fn processes(report: &mut Report) {
    user(report, "who made it has all rights in it", || {
        let (uid, _) = ids();
        beside(libc::CLONE_NEWUTS, |pid| {
            let link = |kind: &str| format!("/proc/{pid}/ns/{kind}");
            let (Some(user), Some(uts)) = (opened(&link("user")), opened(&link("uts"))) else {
                return false;
            };
            let (user, uts) = (user.as_raw_fd(), uts.as_raw_fd());
            let outer = opened("/proc/self/ns/user");
            let outer = outer.as_ref().map_or(-1, AsRawFd::as_raw_fd);
            status(&pid.to_string(), "Uid:") == format!("{uid} {uid} {uid} {uid}")
                && raw!(SYS_kill, pid, 0) == Ok(0)
                && raw!(SYS_setns, uts, 0) == Err(Errno(libc::EPERM))
                && raw!(SYS_setns, user, libc::CLONE_NEWUTS) == Err(Errno(libc::EINVAL))
                && raw!(SYS_setns, user, 0) == Ok(0)
                && ids() == (0, 0)
                && raw!(SYS_setns, user, 0) == Err(Errno(libc::EINVAL))
                && raw!(SYS_setns, uts, 0) == Ok(0)
                && raw!(SYS_sethostname, c"in".as_ptr(), 2) == Ok(0)
                && raw!(SYS_setns, outer, 0) == Err(Errno(libc::EPERM))
        })
    });
    user(report, "what belongs to what", || {
        let (uid, _) = ids();
        beside(libc::CLONE_NEWUTS, |pid| {
            let Some(uts) = opened(&format!("/proc/{pid}/ns/uts")) else {
                return false;
            };
            let inode = |fd: i64| {
                let path = format!("/proc/self/fd/{fd}");
                fs::metadata(path).map_or(0, |it| it.ino())
            };
            let of = |path: &str| fs::metadata(path).map_or(1, |it| it.ino());
            let Ok(user) = raw!(SYS_ioctl, uts.as_raw_fd(), NS_GET_USERNS) else {
                return false;
            };
            let mut owner = 0u32;
            let parent = raw!(SYS_ioctl, user, NS_GET_PARENT);
            raw!(SYS_ioctl, user, NS_GET_OWNER_UID, &raw mut owner) == Ok(0)
                && owner == uid
                && inode(user) == of(&format!("/proc/{pid}/ns/user"))
                && parent.is_ok_and(|fd| inode(fd) == of("/proc/self/ns/user"))
                && raw!(SYS_ioctl, uts.as_raw_fd(), NS_GET_OWNER_UID, &raw mut owner)
                    == Err(Errno(libc::EINVAL))
        })
    });
}

fn nesting(report: &mut Report) {
    user(report, "one in another", || {
        as_root_of(0)
            && other(|| {
                as_root_of(0)
                    && text("/proc/self/uid_map") == format!("{:10} {:10} {:10}\n", 0, 0, 1)
            })
            && other(|| {
                unshare(libc::CLONE_NEWUSER)
                    && raw!(SYS_unshare, libc::CLONE_NEWUSER) == Err(Errno(libc::EPERM))
            })
    });
    user(report, "no deeper than 33", || {
        let mut depth = 0;
        while depth < 100 && as_root_of(0) {
            depth += 1;
        }
        // A test may run in one already.
        (1..=33).contains(&depth)
            && raw!(SYS_unshare, libc::CLONE_NEWUSER) == Err(Errno(libc::ENOSPC))
    });
}

fn refusals(report: &mut Report) {
    user(report, "not for threads", || {
        let thread = std::thread::spawn(|| raw!(SYS_unshare, libc::CLONE_NEWUSER));
        thread.join().is_ok_and(|it| it == Err(Errno(libc::EINVAL)))
    });
    user(report, "not with shared places", || {
        let flags = libc::CLONE_NEWUSER | libc::CLONE_FS | libc::SIGCHLD;
        raw!(SYS_clone, flags, 0, 0, 0, 0) == Err(Errno(libc::EINVAL))
    });
    user(report, "other kinds take rights", || {
        let kinds = [
            libc::CLONE_NEWNS,
            libc::CLONE_NEWUTS,
            libc::CLONE_NEWIPC,
            libc::CLONE_NEWPID,
        ];
        kinds
            .iter()
            .all(|&kind| raw!(SYS_unshare, kind) == Err(Errno(libc::EPERM)))
    });
}

/// Prints the real and the effective user: for a test to start.
pub fn show_users(_: &mut Report, _: &[String]) -> Outcome {
    // SAFETY: have no conditions.
    let (real, effective) = unsafe { (libc::getuid(), libc::geteuid()) };
    println!("{real} {effective}");
    Ok(())
}
