//! Calls that few programs make.

use super::errors::{raw, refused};
use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, Map, call};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A process that is not there.
const NOBODY: i32 = 0x3fff_fffe;
/// An address that is nobody's, and none.
const BAD: usize = 8;
const NONE: usize = 0;
/// A descriptor that is nobody's.
const CLOSED: i32 = 9_999;
// The same number everywhere.
const CLONE3: i64 = 435;
const CLOSE_RANGE: i64 = 436;
const PROCESS_MADVISE: i64 = 440;
const PROCESS_MRELEASE: i64 = 448;
const FUTEX_WAITV: i64 = 449;

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "seldom")?;
    let outcome = checks(report, &folder);
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    outcome
}

fn checks(report: &mut Report, folder: &Path) -> Outcome {
    io_priorities(report)?;
    compared(report)?;
    nothing_there(report, folder)?;
    futexes(report)?;
    clones(report)?;
    ranges(report)?;
    written_with_flags(report, folder)?;
    shown_anew(report, folder)?;
    others(report)
}

/// The status of a child that does what it must.
fn child(report: &mut Report, what: &str, body: impl FnOnce() -> bool) {
    let end = sys::in_child(|| i32::from(!body()));
    report.same(what, end, Ok(End::Exited(0)));
}

fn io_priorities(report: &mut Report) -> Outcome {
    const BEST_EFFORT_5: i32 = 2 << 13 | 5;
    const IDLE: i32 = 3 << 13;
    refused!(report;
        "an unknown kind": SYS_ioprio_set(0, 0, BEST_EFFORT_5) => EINVAL;
        "an unknown kind": SYS_ioprio_get(4, 0) => EINVAL;
        "an unknown class": SYS_ioprio_set(1, 0, 5 << 13) => EINVAL;
        "a level of no class": SYS_ioprio_set(1, 0, 1) => EINVAL;
        "nobody": SYS_ioprio_set(1, NOBODY, BEST_EFFORT_5) => ESRCH;
        "nobody": SYS_ioprio_get(1, NOBODY) => ESRCH;
    );
    let get = |kind: i32| raw!(SYS_ioprio_get, kind, 0);
    report.same("none is set", get(1), Ok(0));
    report.works("one is set", raw!(SYS_ioprio_set, 1, 0, BEST_EFFORT_5));
    report.same("it is had", get(1), Ok(i64::from(BEST_EFFORT_5)));
    child(report, "and inherited", || {
        get(1) == Ok(i64::from(BEST_EFFORT_5))
    });
    child(report, "a group's is the best", || {
        raw!(SYS_setpgid, 0, 0).is_ok()
            && raw!(SYS_ioprio_set, 2, 0, IDLE).is_ok()
            && get(2) == Ok(i64::from(IDLE))
    });
    report.works("none again", raw!(SYS_ioprio_set, 1, 0, 0));
    Ok(())
}

fn compared(report: &mut Report) -> Outcome {
    let own = std::process::id();
    let compare = |other: u32, kind: i32, first: i32, second: i32| {
        raw!(SYS_kcmp, own, other, kind, first as i64, second as i64)
    };
    if compare(own, 1, 0, 0) == Err(Errno(libc::ENOSYS)) {
        println!("nothing is compared here");
        report.check("that is Linux", !Path::new("/proc/paddock").exists());
        return Ok(());
    }
    report.refused("an unknown kind", compare(own, 99, 0, 0), libc::EINVAL);
    report.refused("nobody", compare(NOBODY as u32, 1, 0, 0), libc::ESRCH);
    report.refused("no file", compare(own, 0, 0, CLOSED), libc::EBADF);
    let [first, second] = sys::pipe()?;
    let copy = call!(libc::dup(first))?;
    report.same("a file and its copy", compare(own, 0, first, copy), Ok(0));
    let order = [
        compare(own, 0, first, second),
        compare(own, 0, second, first),
    ];
    let is_order = order == [Ok(1), Ok(2)] || order == [Ok(2), Ok(1)];
    report.check("two files are ordered", is_order);
    for kind in [1, 2, 3, 4] {
        report.same("the same process", compare(own, kind, 0, 0), Ok(0));
    }
    child(report, "a child shares files, no memory", || {
        let child = std::process::id();
        compare(child, 0, first, first) == Ok(0)
            && matches!(compare(child, 1, 0, 0), Ok(1 | 2))
            && matches!(compare(child, 2, 0, 0), Ok(1 | 2))
    });
    super::close(&[first, second, copy])
}

/// Modules, swap space and keys: there are none, or one may not.
fn nothing_there(report: &mut Report, folder: &Path) -> Outcome {
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } == 0 {
        child(report, "nobody may change any of it", || {
            // SAFETY: takes a number.
            unsafe { libc::setuid(65534) };
            let refusals = [
                raw!(SYS_init_module, NONE, 0, NONE),
                raw!(SYS_delete_module, NONE, 0),
                raw!(SYS_swapon, NONE, 0),
                raw!(SYS_swapoff, NONE),
                raw!(SYS_vhangup),
            ];
            let refused = |result: &_| *result == Err(Errno(libc::EPERM));
            // Who may not has a kernel without any of it.
            let absent = |result: &_| *result == Err(Errno(libc::ENOSYS));
            refusals
                .iter()
                .all(|result| refused(result) || absent(result))
        });
        let file = folder.join("text");
        fs::write(&file, "no swap space").map_err(|error| error.to_string())?;
        let (file, missing) = (sys::path(&file), sys::path(&folder.join("missing")));
        refused!(report;
            "no such file": SYS_swapon(missing.as_ptr(), 0) => ENOENT;
            "no swap space": SYS_swapon(file.as_ptr(), 0) => EINVAL;
            "an unknown flag": SYS_swapon(file.as_ptr(), 0x10_0000) => EINVAL;
            "not swapped to": SYS_swapoff(file.as_ptr()) => EINVAL;
        );
        child(report, "nothing to hang up", || {
            raw!(SYS_setsid).is_ok() && raw!(SYS_vhangup).is_ok()
        });
    }
    let page = Map::memory(4096)?;
    // Linux has these calls on AArch64 since 6.12.
    let missing = raw!(SYS_pkey_free, 15) == Err(Errno(libc::ENOSYS));
    let mut refuses = |what: &str, result: Result<i64, Errno>| {
        let good = result == Err(Errno(if missing { libc::ENOSYS } else { libc::EINVAL }));
        report.check(what, good);
    };
    refuses("a key with a flag", raw!(SYS_pkey_alloc, 1, 0));
    refuses("with unknown rights", raw!(SYS_pkey_alloc, 0, 0x1_0000));
    refuses("nobody's key freed", raw!(SYS_pkey_free, 15));
    let others = raw!(SYS_pkey_mprotect, page.start, 4096, 1, 14);
    refuses("and used", others);
    let none = raw!(SYS_pkey_mprotect, page.start, 4096, 1, -1);
    report.check("protected without a key", none == Ok(0) || missing);
    Ok(())
}

#[repr(C)]
struct Waitv {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

fn futexes(report: &mut Report) -> Outcome {
    static WORDS: [AtomicU32; 2] = [const { AtomicU32::new(7) }; 2];
    let one = |index: usize, flags| Waitv {
        value: 7,
        address: WORDS[index].as_ptr().addr() as u64,
        flags,
        reserved: 0,
    };
    let both = [one(0, 2 | 128), one(1, 2 | 128)];
    let at = both.as_ptr();
    let soon = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1,
    };
    let soon = &raw const soon;
    let waits =
        |at: *const Waitv, count: u32, flags: u32, until: *const libc::timespec, clock: i32| {
            call!(libc::syscall(FUTEX_WAITV, at, count, flags, until, clock))
        };
    let never = std::ptr::null();
    report.refused("a flag", waits(at, 2, 1, never, 1), libc::EINVAL);
    report.refused("none to wait for", waits(at, 0, 0, never, 1), libc::EINVAL);
    report.refused("too many", waits(at, 129, 0, never, 1), libc::EINVAL);
    let unknown = [one(0, 2 | 64)];
    let unknown = unknown.as_ptr();
    report.refused(
        "an unknown flag",
        waits(unknown, 1, 0, never, 1),
        libc::EINVAL,
    );
    let sizeless = [one(0, 128)];
    let sizeless = sizeless.as_ptr();
    report.refused("no size", waits(sizeless, 1, 0, never, 1), libc::EINVAL);
    report.refused("another clock", waits(at, 2, 0, soon, 2), libc::EINVAL);
    report.refused("over", waits(at, 2, 0, soon, 1), libc::ETIMEDOUT);
    report.refused("long over", waits(at, 2, 0, soon, 0), libc::ETIMEDOUT);
    WORDS[1].store(8, Ordering::SeqCst);
    report.refused("changed", waits(at, 2, 0, never, 1), libc::EAGAIN);
    WORDS[1].store(7, Ordering::SeqCst);
    let woken = std::thread::scope(|scope| {
        scope.spawn(|| {
            // As often as it takes: the other one may not wait yet.
            let wake = || raw!(SYS_futex, WORDS[1].as_ptr(), 129, 1, NONE, NONE, 0);
            while wake() == Ok(0) {
                sys::sleep_ms(1);
            }
        });
        waits(at, 2, 0, never, 1)
    });
    report.same("which one", woken, Ok(1));
    Ok(())
}

/// `struct clone_args`, as far as it goes here.
#[derive(Default)]
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    rest: [u64; 3],
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_SIGHAND: u64 = 0x800;
const CLONE_VM: u64 = 0x100;
const CLONE_DETACHED: u64 = 0x40_0000;
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;

fn clone3(arguments: &CloneArgs) -> Result<i32, Errno> {
    let size = size_of::<CloneArgs>();
    call!(libc::syscall(CLONE3, &raw const *arguments, size)).map(|pid| pid as i32)
}

extern "C" fn handler(_: i32) {}

fn clones(report: &mut Report) -> Outcome {
    let handlers = CLONE_VM | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND;
    for (what, flags) in [
        ("handlers shared and cleared", handlers),
        ("detached", CLONE_DETACHED),
    ] {
        let arguments = CloneArgs {
            flags,
            ..CloneArgs::default()
        };
        report.refused(what, clone3(&arguments), libc::EINVAL);
    }
    let mut fd = -1;
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGUSR1, handler as *const () as usize) };
    // SAFETY: likewise.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    let pid = clone3(&CloneArgs {
        flags: CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        pidfd: (&raw mut fd).addr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    })?;
    if pid == 0 {
        let of = |signal| {
            // SAFETY: plain bits, which the call fills in.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: it asks only.
            unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
            action.sa_sigaction
        };
        let good = of(libc::SIGUSR1) == libc::SIG_DFL && of(libc::SIGUSR2) == libc::SIG_IGN;
        // SAFETY: ends the child.
        unsafe { libc::_exit(if good { 5 } else { 6 }) };
    }
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    report.same(
        "its end is told",
        call!(libc::poll(&mut poll, 1, 10_000)),
        Ok(1),
    );
    // SAFETY: asks for flags.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    report.same("it is closed by execve", flags, libc::FD_CLOEXEC);
    report.same("the handlers are gone", sys::wait(pid), Ok(End::Exited(5)));
    // SAFETY: the default, as it was.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_DFL) };
    // SAFETY: likewise.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_DFL) };
    sys::close(fd)?;
    of_processes(report)
}

/// What is done to a process that is known by its descriptor.
fn of_processes(report: &mut Report) -> Outcome {
    let child = sys::fork(|| {
        sys::sleep_ms(60_000);
        0
    })?;
    let fd = raw!(SYS_pidfd_open, child, 0)? as i32;
    let release = |fd: i32, flags: u32| call!(libc::syscall(PROCESS_MRELEASE, fd, flags));
    report.refused("a flag", release(fd, 1), libc::EINVAL);
    report.refused("no process", release(CLOSED, 0), libc::EBADF);
    report.refused("it is not killed", release(fd, 0), libc::EINVAL);
    sys::kill(child, libc::SIGKILL)?;
    let released = release(fd, 0);
    let gone = released == Ok(0) || released == Err(Errno(libc::ESRCH));
    report.check("its memory is released", gone);
    sys::wait(child)?;
    report.refused("it is gone", release(fd, 0), libc::ESRCH);
    sys::close(fd)?;

    let own = raw!(SYS_pidfd_open, std::process::id(), 0)? as i32;
    let pages = Map::memory(8192)?;
    pages.write(5000, 3);
    let piece = libc::iovec {
        iov_base: pages.start.cast(),
        iov_len: pages.length,
    };
    let advise = |fd: i32, advice: i32, flags: u32| {
        let piece = &raw const piece;
        call!(libc::syscall(
            PROCESS_MADVISE,
            fd,
            piece,
            1usize,
            advice,
            flags
        ))
    };
    report.same("advice", advise(own, libc::MADV_COLD, 0), Ok(8192));
    report.same("it is still there", pages.read(5000), 3);
    report.refused("a flag", advise(own, libc::MADV_COLD, 1), libc::EINVAL);
    report.refused("unknown advice", advise(own, 999, 0), libc::EINVAL);
    report.refused(
        "no process",
        advise(CLOSED, libc::MADV_COLD, 0),
        libc::EBADF,
    );
    super::close(&[own])
}

fn ranges(report: &mut Report) -> Outcome {
    let range =
        |first: i32, last: i32, flags: u32| call!(libc::syscall(CLOSE_RANGE, first, last, flags));
    report.refused("an unknown flag", range(900, 901, 1), libc::EINVAL);
    let [end, other] = sys::pipe()?;
    // A child in the same table of descriptors.
    let pid = clone3(&CloneArgs {
        flags: 0x400,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    })?;
    if pid == 0 {
        let closed = range(end, end, 2).is_ok();
        let gone = call!(libc::fcntl(end, libc::F_GETFD)) == Err(Errno(libc::EBADF));
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(!closed || !gone)) };
    }
    report.same("closed in the child", sys::wait(pid), Ok(End::Exited(0)));
    let here = call!(libc::fcntl(end, libc::F_GETFD));
    report.same("and not here", here, Ok(libc::FD_CLOEXEC));
    super::close(&[end, other])
}

fn written_with_flags(report: &mut Report, folder: &Path) -> Outcome {
    const SYNC: i32 = 4;
    const APPEND: i32 = 16;
    let path = folder.join("written");
    let file = File::create(&path).map_err(|error| error.to_string())?;
    let fd = file.as_raw_fd();
    let write = |text: &str, at: i64, flags: i32| {
        let piece = libc::iovec {
            iov_base: text.as_ptr().cast_mut().cast(),
            iov_len: text.len(),
        };
        let (piece, high) = (&raw const piece, if at < 0 { -1i64 } else { 0 });
        call!(libc::syscall(
            libc::SYS_pwritev2,
            fd,
            piece,
            1usize,
            at,
            high,
            flags
        ))
    };
    report.same(
        "written and on the disk",
        write("0123456789", 0, SYNC),
        Ok(10),
    );
    report.same("at the end", write("ab", 3, APPEND), Ok(2));
    report.same("here", write("XY", -1, 0), Ok(2));
    report.same("at the end from here", write("cd", -1, APPEND), Ok(2));
    report.same("and there it stays", write("ef", -1, 0), Ok(2));
    report.refused("an unknown flag", write("g", 0, 1 << 30), libc::EOPNOTSUPP);
    let mut text = String::new();
    let read = File::open(&path).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    report.same("all of it", text.as_str(), "XY23456789abcdef");
    Ok(())
}

/// Pages of a file in another order.
fn shown_anew(report: &mut Report, folder: &Path) -> Outcome {
    let path = folder.join("pages");
    let text: Vec<u8> = (b'a'..=b'd').flat_map(|byte| [byte; 4096]).collect();
    fs::write(&path, text).map_err(|error| error.to_string())?;
    let file = File::options().read(true).write(true).open(&path);
    let file = file.map_err(|error| error.to_string())?;
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    let map = Map::new(4 * 4096, rights, libc::MAP_SHARED, file.as_raw_fd())?;
    let show = |page: usize, count: usize, from: usize| {
        let at = map.address(page * 4096);
        raw!(SYS_remap_file_pages, at, count * 4096, 0, from, 0)
    };
    report.same("the last first", show(0, 1, 3), Ok(0));
    report.same("two others", show(2, 2, 0), Ok(0));
    let seen = [0, 1, 2, 3].map(|page| map.read(page * 4096));
    report.same("as shown", seen, *b"dbab");
    map.write(0, b'X');
    let mut all = Vec::new();
    let read = File::open(&path).and_then(|mut file| file.read_to_end(&mut all));
    read.map_err(|error| error.to_string())?;
    report.same("written there", all.get(3 * 4096).copied(), Some(b'X'));
    report.refused("nothing", show(0, 0, 0), libc::EINVAL);
    let at = map.address(0);
    let private = Map::memory(4096)?;
    refused!(report;
        "rights": SYS_remap_file_pages(at, 4096, 1, 0, 0) => EINVAL;
        "beyond all": SYS_remap_file_pages(at, 4096, 0, usize::MAX, 0) => EINVAL;
        "private": SYS_remap_file_pages(private.start, 4096, 0, 0, 0) => EINVAL;
        "not mapped": SYS_remap_file_pages(BAD, 4096, 0, 0, 0) => EINVAL;
    );
    Ok(())
}

fn others(report: &mut Report) -> Outcome {
    const MSG_COPY: i32 = 0o40000;
    let queue = raw!(SYS_msgget, libc::IPC_PRIVATE, 0o600)? as i32;
    let mut message = [0u64; 4];
    for (kind, text) in [(3, 33), (1, 11)] {
        message[..2].copy_from_slice(&[kind, text]);
        raw!(SYS_msgsnd, queue, message.as_ptr(), 8, 0)?;
    }
    let mut found = [0u64; 4];
    let mut copy = |index: i64, room: usize, flags: i32| {
        found = [0; 4];
        let result = raw!(SYS_msgrcv, queue, found.as_mut_ptr(), room, index, flags);
        result.map(|bytes| (bytes, found[0], found[1]))
    };
    let flags = MSG_COPY | libc::IPC_NOWAIT;
    let first = copy(0, 24, flags);
    if first == Err(Errno(libc::ENOSYS)) {
        println!("no message is copied here");
        report.check("that is Linux", !Path::new("/proc/paddock").exists());
    } else {
        report.same("the first", first, Ok((8, 3, 33)));
        report.same("the second", copy(1, 24, flags), Ok((8, 1, 11)));
        report.same("it is still there", copy(1, 24, flags), Ok((8, 1, 11)));
        report.refused("no third", copy(2, 24, flags), libc::ENOMSG);
        report.refused("too long", copy(0, 4, flags), libc::E2BIG);
        report.refused("waiting", copy(0, 24, MSG_COPY), libc::EINVAL);
    }
    raw!(SYS_msgctl, queue, libc::IPC_RMID, NONE)?;
    let (mut head, mut length) = (0u64, 0usize);
    let (head, length) = (&raw mut head, &raw mut length);
    refused!(report;
        "nobody": SYS_get_robust_list(NOBODY, head, length) => ESRCH;
        "nowhere": SYS_get_robust_list(0, BAD, length) => EFAULT;
    );
    let own = std::process::id();
    child(report, "a parent's list", || {
        raw!(SYS_get_robust_list, own, head, length) == Ok(0)
    });
    Ok(())
}
