//! unshare(2), setns(2), pivot_root(2) and what mount(2) does to mounts, where they are
//! allowed: by root.

use super::errors::{raw, refused};
use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::ffi::CStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NS_GET_NSTYPE: u64 = 0xb703;
const CLOSED: i32 = 9_999;

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        println!("only root has namespaces of its own");
        return Ok(());
    }
    let folder = folder(words, "namespaces")?;
    refusals(report);
    host_names(report);
    entering(report)?;
    objects(report)?;
    mounts(report, &folder);
    attributes(report, &folder);
    roots(report, &folder);
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())
}

/// The status of a child that does what it must.
fn child(report: &mut Report, what: &str, body: impl FnOnce() -> bool) {
    let end = sys::in_child(|| i32::from(!body()));
    report.same(what, end, Ok(End::Exited(0)));
}

fn unshare(flags: i32) -> bool {
    call!(libc::unshare(flags)).is_ok()
}

fn refusals(report: &mut Report) {
    refused!(report;
        "an unknown flag": SYS_unshare(1) => EINVAL;
        "a flag of clone": SYS_unshare(libc::CLONE_VFORK) => EINVAL;
        "no file": SYS_setns(CLOSED, 0) => EBADF;
    );
    if let Ok(file) = File::open("/proc/self/status") {
        let fd = file.as_raw_fd();
        report.refused("no namespace", raw!(SYS_setns, fd, 0), libc::EINVAL);
    }
    child(report, "nobody may", || {
        let uts = File::open("/proc/self/ns/uts");
        let fd = uts.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: takes a number.
        unsafe { libc::setuid(65534) };
        let refused = Err(Errno(libc::EPERM));
        raw!(SYS_unshare, libc::CLONE_NEWUTS) == refused
            && raw!(SYS_unshare, libc::CLONE_NEWNS) == refused
            && raw!(SYS_setns, fd, 0) == refused
            && raw!(SYS_unshare, libc::CLONE_FILES | libc::CLONE_FS) == Ok(0)
    });
    child(report, "not with threads", || {
        let (ready, go) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ready.wait();
                go.wait();
            });
            ready.wait();
            let refused = raw!(SYS_unshare, libc::CLONE_THREAD) == Err(Errno(libc::EINVAL));
            go.wait();
            refused
        })
    });
}

fn hostname() -> String {
    let mut name = [0u8; 65];
    let _ = call!(libc::gethostname(name.as_mut_ptr().cast(), name.len()));
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&name[..end]).into_owned()
}

fn set_hostname(name: &str) -> bool {
    call!(libc::sethostname(name.as_ptr().cast(), name.len())).is_ok()
}

fn number(kind: &str) -> Option<u64> {
    let link = fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
    let text = link.to_str()?.strip_prefix(kind)?;
    text.strip_prefix(":[")?.strip_suffix(']')?.parse().ok()
}

fn host_names(report: &mut Report) {
    let (before, own) = (hostname(), number("uts"));
    child(report, "a name of its own", || {
        unshare(libc::CLONE_NEWUTS)
            && hostname() == before
            && number("uts").is_some()
            && number("uts") != own
            && set_hostname("elsewhere")
            && hostname() == "elsewhere"
            && fs::read_to_string("/proc/sys/kernel/hostname").is_ok_and(|it| it == "elsewhere\n")
    });
    report.same("the old one stays", hostname(), before);
    report.same("and its namespace", number("uts"), own);
}

fn entering(report: &mut Report) -> Outcome {
    let [told, tells] = sys::pipe()?;
    let [go, goes] = sys::pipe()?;
    let before = hostname();
    let pid = sys::fork(|| {
        let done = unshare(libc::CLONE_NEWUTS | libc::CLONE_NEWNS) && set_hostname("inside");
        let _ = sys::write(tells, &[u8::from(done)]);
        let _ = sys::read(go, &mut [0]);
        0
    })?;
    let mut done = [0];
    sys::read(told, &mut done)?;
    report.check("unshared", done == [1]);
    let path = format!("/proc/{pid}/ns/uts");
    let file = File::open(&path).map_err(|error| error.to_string())?;
    let fd = file.as_raw_fd();
    let kind = call!(libc::ioctl(fd, NS_GET_NSTYPE as _));
    report.same("its kind", kind, Ok(libc::CLONE_NEWUTS));
    let text = fs::read_link(&path).map_err(|error| error.to_string())?;
    let inode = fs::metadata(&path)
        .map_err(|error| error.to_string())?
        .ino();
    report.same(
        "its number",
        text.to_str(),
        Some(&*format!("uts:[{inode}]")),
    );
    let other = raw!(SYS_setns, fd, libc::CLONE_NEWNS);
    report.refused("of another kind", other, libc::EINVAL);
    child(report, "entered", || {
        raw!(SYS_setns, fd, libc::CLONE_NEWUTS) == Ok(0) && hostname() == "inside"
    });
    child(report, "entered by its process", || {
        let process = raw!(SYS_pidfd_open, pid, 0);
        process.is_ok_and(|process| {
            let none = raw!(SYS_setns, process, 0) == Err(Errno(libc::EINVAL));
            let both = libc::CLONE_NEWUTS | libc::CLONE_NEWNS;
            none && raw!(SYS_setns, process, both) == Ok(0) && hostname() == "inside"
        })
    });
    sys::write(goes, b"g")?;
    sys::wait(pid)?;
    child(report, "it stays for its file", || {
        raw!(SYS_setns, fd, 0) == Ok(0) && hostname() == "inside"
    });
    report.same("nothing has changed here", hostname(), before);
    super::close(&[told, tells, go, goes])
}

/// Of IPC.
fn objects(report: &mut Report) -> Outcome {
    const KEY: i32 = 0x5ad_d0c4;
    let make = 0o600 | libc::IPC_CREAT;
    let queue = raw!(SYS_msgget, KEY, make)?;
    let set = raw!(SYS_semget, KEY, 1, make)?;
    let memory = raw!(SYS_shmget, KEY, 4096, make)?;
    let name = c"/paddock-namespaces";
    let open = |flags: i32| {
        let none = std::ptr::null::<u8>();
        // The call has the name without its slash.
        let name = name.as_ptr().wrapping_add(1);
        raw!(SYS_mq_open, name, flags | libc::O_RDWR, 0o600, none)
    };
    let messages = open(libc::O_CREAT)?;
    let own = number("ipc");
    let missing = Err(Errno(libc::ENOENT));
    child(report, "objects of its own", || {
        unshare(libc::CLONE_NEWIPC)
            && number("ipc").is_some()
            && number("ipc") != own
            && raw!(SYS_msgget, KEY, 0) == missing
            && raw!(SYS_semget, KEY, 0, 0) == missing
            && raw!(SYS_shmget, KEY, 0, 0) == missing
            && open(0) == missing
            && raw!(SYS_msgget, KEY, make).is_ok()
            && raw!(SYS_shmget, KEY, 8192, make)
                .and_then(|own| raw!(SYS_shmat, own, 0, 0))
                .is_ok()
            && fs::read_to_string("/proc/sysvipc/shm").is_ok_and(|all| all.lines().count() == 2)
    });
    report.same("the old ones stay", raw!(SYS_msgget, KEY, 0), Ok(queue));
    report.same("and their size", raw!(SYS_shmget, KEY, 4096, 0), Ok(memory));
    raw!(SYS_msgctl, queue, libc::IPC_RMID, 0)?;
    raw!(SYS_semctl, set, 0, libc::IPC_RMID, 0)?;
    raw!(SYS_shmctl, memory, libc::IPC_RMID, 0)?;
    raw!(SYS_mq_unlink, name.as_ptr().wrapping_add(1))?;
    super::close(&[messages as i32])
}

fn mount(source: &Path, at: &Path, kind: &CStr, flags: u64) -> Result<i32, Errno> {
    let (source, at) = (sys::path(source), sys::path(at));
    call!(libc::mount(
        source.as_ptr(),
        at.as_ptr(),
        kind.as_ptr(),
        flags,
        std::ptr::null()
    ))
}

/// In a namespace of mounts that tells nobody of its own.
fn apart() -> bool {
    let private = libc::MS_REC | libc::MS_PRIVATE;
    unshare(libc::CLONE_NEWNS) && mount(Path::new("none"), Path::new("/"), c"", private) == Ok(0)
}

fn has(path: &Path) -> bool {
    path.exists()
}

fn mounts(report: &mut Report, folder: &Path) {
    let (a, b) = (folder.join("a"), folder.join("b"));
    for dir in [&a, &b] {
        let _ = fs::create_dir(dir);
    }
    let none = Path::new("none");
    let (bind, recursive) = (libc::MS_BIND, libc::MS_REC);
    child(report, "mounts of its own", || {
        apart()
            && mount(none, &a, c"tmpfs", 0) == Ok(0)
            && fs::write(a.join("f"), "f").is_ok()
            && has(&a.join("f"))
            && fs::read_to_string("/proc/self/mounts")
                .is_ok_and(|text| text.contains(a.to_str().unwrap_or("?")))
    });
    report.check("they are not here", !has(&a.join("f")));
    let here = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    report.check("nor told of", !here.contains(a.to_str().unwrap_or("?")));
    child(report, "with what is below, or without", || {
        let sub = a.join("sub");
        apart()
            && mount(none, &a, c"tmpfs", 0) == Ok(0)
            && fs::create_dir(&sub).is_ok()
            && mount(none, &sub, c"tmpfs", 0) == Ok(0)
            && fs::write(sub.join("f"), "f").is_ok()
            && mount(&a, &b, c"", bind) == Ok(0)
            && has(&b.join("sub"))
            && !has(&b.join("sub/f"))
            && mount(&a, &b, c"", bind | recursive) == Ok(0)
            && has(&b.join("sub/f"))
    });
    child(report, "moved", || {
        apart()
            && mount(none, &a, c"tmpfs", 0) == Ok(0)
            && fs::write(a.join("f"), "f").is_ok()
            && mount(&b, &a, c"", libc::MS_MOVE) == Err(Errno(libc::EINVAL))
            && mount(&a, &b, c"", libc::MS_MOVE) == Ok(0)
            && has(&b.join("f"))
            && !has(&a.join("f"))
    });
    child(report, "read-only from now on", || {
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
        apart()
            && mount(none, &a, c"tmpfs", 0) == Ok(0)
            && mount(&a, &b, c"", bind) == Ok(0)
            && mount(none, &b, c"", flags) == Ok(0)
            && fs::write(a.join("f"), "f").is_ok()
            && fs::write(b.join("g"), "g").is_err()
            && has(&b.join("f"))
    });
    child(report, "changes where nothing is mounted", || {
        let remount = libc::MS_REMOUNT | libc::MS_BIND;
        let refused = Err(Errno(libc::EINVAL));
        apart()
            && mount(none, &a, c"", remount) == refused
            && mount(none, &a, c"", libc::MS_PRIVATE) == refused
            && mount(none, &a, c"", libc::MS_PRIVATE | libc::MS_SLAVE) == refused
    });
    child(report, "a child has what its parent has", || {
        apart()
            && mount(none, &a, c"tmpfs", 0) == Ok(0)
            && fs::write(a.join("f"), "f").is_ok()
            && sys::in_child(|| i32::from(!has(&a.join("f")))) == Ok(End::Exited(0))
    });
}

const MOUNT_SETATTR: i64 = 442;
const AT_RECURSIVE: u32 = 0x8000;

/// Sets and clears attributes of a mount.
fn set_attributes(at: &Path, set: u64, clear: u64, flags: u32) -> Result<i64, Errno> {
    let attributes = [set, clear, 0, 0];
    let (at, words) = (sys::path(at), attributes.as_ptr());
    call!(libc::syscall(
        MOUNT_SETATTR,
        libc::AT_FDCWD,
        at.as_ptr(),
        flags,
        words,
        32usize
    ))
}

fn attributes(report: &mut Report, folder: &Path) {
    let a = folder.join("a");
    let none = Path::new("none");
    const READ_ONLY: u64 = 1;
    const ATIME: u64 = 0x70;
    child(report, "attributes of mounts", || {
        let sub = a.join("sub");
        let writable = || [&a, &sub].map(|dir| fs::write(dir.join("f"), "f").is_ok());
        let refused = Err(Errno(libc::EINVAL));
        apart()
            && set_attributes(&a, READ_ONLY, 0, 0) == refused
            && mount(none, &a, c"tmpfs", 0) == Ok(0)
            && fs::create_dir(&sub).is_ok()
            && mount(none, &sub, c"tmpfs", 0) == Ok(0)
            && set_attributes(&a, READ_ONLY, 0, 0) == Ok(0)
            && writable() == [false, true]
            && set_attributes(&a, READ_ONLY, 0, AT_RECURSIVE) == Ok(0)
            && writable() == [false, false]
            && set_attributes(&a, 0x10, READ_ONLY | ATIME, AT_RECURSIVE) == Ok(0)
            && writable() == [true, true]
            && set_attributes(&a, 0x10, 0, 0) == refused
            && set_attributes(&a, 1 << 40, 0, 0) == refused
            && set_attributes(&a, READ_ONLY, 0, 1) == refused
    });
    child(report, "nobody may set them", || {
        // SAFETY: takes a number.
        unsafe { libc::setuid(65534) };
        set_attributes(Path::new("/"), READ_ONLY, 0, 0) == Err(Errno(libc::EPERM))
    });
}

fn pivot_root(new: &CStr, old: &CStr) -> Result<i64, Errno> {
    raw!(SYS_pivot_root, new.as_ptr(), old.as_ptr())
}

fn roots(report: &mut Report, folder: &Path) {
    let a = folder.join("a");
    let none = Path::new("none");
    let prepared = || {
        apart()
            && mount(none, &a, c"tmpfs", 0) == Ok(0)
            && std::env::set_current_dir(&a).is_ok()
            && fs::create_dir("old").is_ok()
            && fs::write("f", "f").is_ok()
    };
    child(report, "another root", || {
        prepared()
            && pivot_root(c".", c"old") == Ok(0)
            && std::env::set_current_dir("/").is_ok()
            && has(Path::new("/f"))
            && has(Path::new("/old/proc"))
            && call!(libc::umount2(c"/old".as_ptr(), libc::MNT_DETACH)) == Ok(0)
            && !has(Path::new("/old/proc"))
            && has(Path::new("/f"))
    });
    child(report, "one upon the other", || {
        prepared()
            && pivot_root(c".", c".") == Ok(0)
            && call!(libc::umount2(c".".as_ptr(), libc::MNT_DETACH)) == Ok(0)
            && std::env::set_current_dir("/").is_ok()
            && has(Path::new("/f"))
            && !has(Path::new("/proc"))
    });
    child(report, "no such roots", || {
        prepared()
            && pivot_root(c"old", c"old") == Err(Errno(libc::EINVAL))
            && pivot_root(c".", c"/") == Err(Errno(libc::EBUSY))
            && pivot_root(c"f", c"old") == Err(Errno(libc::ENOTDIR))
            && pivot_root(c"missing", c"old") == Err(Errno(libc::ENOENT))
    });
    child(report, "nobody may change it", || {
        // SAFETY: takes a number.
        unsafe { libc::setuid(65534) };
        pivot_root(c"/", c"/") == Err(Errno(libc::EPERM))
    });
}
