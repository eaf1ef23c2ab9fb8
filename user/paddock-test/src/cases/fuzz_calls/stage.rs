//! Where a round takes place: a folder with a root of its own, descriptors of every
//! kind, memory at known addresses, limits.

use super::kinds::{FDS, FIRST_FD, MAPPED, MAPPED_PAGES, SLOT, SLOTS};
use crate::sys::{self, Errno, call};
use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

/// Below the root of a round, so deep that it does not come out by `..`.
const DEEP: &str = "1/2/3/4/5/6/7/8";
/// Who is not root.
const NOBODY: u32 = 65534;
/// The largest file, in bytes.
const FILE_LIMIT: u64 = 4 << 20;
/// The largest address space, in bytes.
const SPACE_LIMIT: u64 = 96 << 20;
/// For how long a mount may be in use when nobody is left.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tasks of `nobody`.
const TASK_LIMIT: u64 = 200;

/// Sets a limit, by its number (which the C libraries give different types).
macro_rules! limit {
    ($what:ident, $most:expr) => {{
        let limit = libc::rlimit {
            rlim_cur: $most,
            rlim_max: $most,
        };
        call!(libc::setrlimit(libc::$what, &limit))
    }};
}

fn told(what: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", what.display())
}

/// Makes the root in `folder`: devices, `/proc`, and where the round begins.
pub fn make(folder: &Path) -> Result<(), String> {
    let deep = folder.join(DEEP);
    for it in ["dev", "proc", DEEP] {
        fs::create_dir_all(folder.join(it)).map_err(told(folder))?;
    }
    for (name, device) in [
        ("null", 0x103),
        ("zero", 0x105),
        ("full", 0x107),
        ("random", 0x108),
        ("urandom", 0x109),
        ("tty", 0x500),
        ("ptmx", 0x502),
        ("fuse", 0xae5),
    ] {
        let path = sys::path(&folder.join("dev").join(name));
        call!(libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, device))?;
        fs::set_permissions(
            folder.join("dev").join(name),
            PermissionsExt::from_mode(0o666),
        )
        .map_err(told(folder))?;
    }
    let (from, to) = (c"/proc".as_ptr(), sys::path(&folder.join("proc")));
    let nothing = std::ptr::null();
    call!(libc::mount(
        from,
        to.as_ptr(),
        nothing,
        libc::MS_BIND,
        std::ptr::null()
    ))?;
    fs::set_permissions(&deep, PermissionsExt::from_mode(0o777)).map_err(told(&deep))?;
    fill(&deep).map_err(told(&deep))
}

/// What is there in the beginning.
fn fill(deep: &Path) -> std::io::Result<()> {
    fs::write(deep.join("a"), [b'a'; 10_000])?;
    fs::write(deep.join("b"), b"short\n")?;
    fs::create_dir_all(deep.join("d/d"))?;
    fs::write(deep.join("d/a"), b"")?;
    fs::write(deep.join("script"), b"#!prog list\n")?;
    fs::write(deep.join("prog"), b"\x7fELF\x02\x01\x01")?;
    symlink("loop", deep.join("loop"))?;
    symlink("a", deep.join("link"))?;
    symlink("nowhere", deep.join("dangling"))?;
    let fifo = sys::path(&deep.join("fifo"));
    // SAFETY: a path that lives for the call.
    unsafe { libc::mkfifo(fifo.as_ptr(), 0o666) };
    for name in ["a", "b", "d", "d/d", "script", "prog", "fifo"] {
        fs::set_permissions(deep.join(name), PermissionsExt::from_mode(0o777))?;
    }
    Ok(())
}

/// Takes the root away, with what has been mounted below it. Nobody is in it, but
/// what ended last may still be on its way out.
pub fn remove(folder: &Path) -> Result<(), String> {
    let began = Instant::now();
    while let Some(place) = mounted_below(folder)? {
        let path = CString::new(place.as_str()).unwrap_or_default();
        if let Err(error) = call!(libc::umount2(path.as_ptr(), 0))
            && began.elapsed() > PATIENCE
        {
            return Err(format!("{place} stays mounted: {error:?}"));
        }
    }
    fs::remove_dir_all(folder).map_err(told(folder))
}

/// What has been mounted last below a folder.
fn mounted_below(folder: &Path) -> Result<Option<String>, String> {
    let mounts = fs::read_to_string("/proc/mounts").map_err(|error| error.to_string())?;
    let places = mounts
        .lines()
        .rev()
        .filter_map(|line| line.split(' ').nth(1));
    let mut below = places.filter(|place| Path::new(place).starts_with(folder));
    Ok(below.next().map(str::to_owned))
}

/// Objects of IPC, which stay when processes end.
pub fn remove_objects() {
    for file in ["shm", "sem", "msg"] {
        let list = fs::read_to_string(format!("/proc/sysvipc/{file}")).unwrap_or_default();
        let ids = list
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok());
        for id in ids.collect::<Vec<i32>>() {
            // SAFETY: IPC_RMID takes no memory.
            unsafe {
                match file {
                    "shm" => libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()),
                    "sem" => libc::semctl(id, 0, libc::IPC_RMID),
                    _ => libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()),
                };
            }
        }
    }
    for name in [c"fuzz-a", c"fuzz-b"] {
        // SAFETY: a name that lives for the call.
        unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr()) };
    }
}

/// Goes there, becomes who makes the calls, and opens what they use.
pub fn enter(folder: &Path, as_nobody: bool) -> Result<(), String> {
    call!(libc::setsid())?;
    let path = sys::path(folder);
    call!(libc::chroot(path.as_ptr()))?;
    let deep = CString::new(format!("/{DEEP}")).unwrap_or_default();
    call!(libc::chdir(deep.as_ptr()))?;
    memory()?;
    limit!(RLIMIT_FSIZE, FILE_LIMIT)?;
    limit!(RLIMIT_AS, SPACE_LIMIT)?;
    limit!(RLIMIT_CORE, 0)?;
    if as_nobody {
        limit!(RLIMIT_NPROC, TASK_LIMIT)?;
        call!(libc::setgroups(0, std::ptr::null()))?;
        call!(libc::setgid(NOBODY))?;
        call!(libc::setuid(NOBODY))?;
    }
    descriptors()?;
    handlers();
    Ok(())
}

/// Maps what arguments point to.
pub fn memory() -> Result<(), Errno> {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    for (at, length) in [(SLOTS, 6 * SLOT), (MAPPED, MAPPED_PAGES * 4096)] {
        let at = std::ptr::without_provenance_mut(at as usize);
        call!(libc::mmap(at, length as usize, both, flags, -1, 0))?;
    }
    Ok(())
}

extern "C" fn nothing(_: i32) {}

/// All signals are taken, but those of a mistake.
fn handlers() {
    let mistakes = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGABRT,
    ];
    for signal in (1..65).filter(|signal| !mistakes.contains(signal)) {
        // SAFETY: the handler does nothing; a signal that cannot be taken is refused.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

fn open(path: &CStr, flags: i32) -> i32 {
    // SAFETY: a text that lives for the call.
    unsafe { libc::open(path.as_ptr(), flags, 0o666) }
}

/// One descriptor of every kind, each at its number; what cannot be made is -1.
fn descriptors() -> Result<(), Errno> {
    let mut all = vec![
        open(c"a", libc::O_RDWR),
        open(c"a", libc::O_RDONLY),
        open(c"b", libc::O_RDWR | libc::O_APPEND),
        open(c".", libc::O_RDONLY),
        open(c"d", libc::O_RDONLY),
        open(c"a", libc::O_PATH),
        open(c"d", libc::O_PATH),
        open(c"fifo", libc::O_RDWR | libc::O_NONBLOCK),
        open(c"/dev/null", libc::O_RDWR),
        open(c"/dev/zero", libc::O_RDWR),
        open(c"/dev/urandom", libc::O_RDWR),
        open(c"/proc/self/stat", libc::O_RDONLY),
        open(c"/proc", libc::O_RDONLY),
        open(c"/proc/self/maps", libc::O_RDONLY),
        open(c"/dev/fuse", libc::O_RDWR | libc::O_NONBLOCK),
    ];
    let mut ends = [-1; 2];
    for flags in [0, libc::O_NONBLOCK] {
        call!(libc::pipe2(ends.as_mut_ptr(), flags))?;
        all.extend(ends);
    }
    for kind in [
        libc::SOCK_STREAM,
        libc::SOCK_DGRAM,
        libc::SOCK_SEQPACKET | libc::SOCK_NONBLOCK,
    ] {
        call!(libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()))?;
        all.extend(ends);
    }
    // SAFETY: none of these takes memory that is not the caller's own.
    unsafe {
        let set = sys::signal_set(&[libc::SIGUSR1]);
        all.extend([
            libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0),
            libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0),
            libc::socket(libc::AF_INET6, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0),
            libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0),
            libc::socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0),
            libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0),
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0),
            libc::eventfd(1, 0),
            libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_SEMAPHORE),
            libc::timerfd_create(libc::CLOCK_MONOTONIC, 0),
            libc::signalfd(-1, &set, libc::SFD_NONBLOCK),
            libc::epoll_create1(0),
            libc::inotify_init1(libc::IN_NONBLOCK),
            libc::memfd_create(c"m".as_ptr(), libc::MFD_ALLOW_SEALING),
            libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) as i32,
            libc::syscall(libc::SYS_mq_open, c"fuzz-a".as_ptr(), 0o102, 0o666, 0) as i32,
        ]);
    }
    let master = open(c"/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY);
    all.push(master);
    for (number, fd) in all.iter().enumerate().take(FDS as usize) {
        // Above what is made meanwhile; none of this has failed for good.
        let to = 100 + number as i32;
        // SAFETY: takes no memory.
        unsafe { libc::dup3(*fd, to, libc::O_CLOEXEC) };
    }
    // SAFETY: takes no memory.
    unsafe { libc::syscall(libc::SYS_close_range, 3, 99, 0) };
    for number in 0..FDS as i32 {
        // SAFETY: takes no memory.
        unsafe { libc::dup3(100 + number, FIRST_FD as i32 + number, 0) };
    }
    let null = open(c"/dev/null", libc::O_RDWR);
    // SAFETY: takes no memory.
    unsafe {
        for fd in 0..3 {
            libc::dup2(null, fd);
        }
        libc::syscall(libc::SYS_close_range, 100, 300, 0);
        libc::close(null);
    }
    Ok(())
}
