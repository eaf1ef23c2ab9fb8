//! seccomp(2): which system calls may be made, and what comes of others.

use super::Outcome;
use super::errors::raw;
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

const STRICT: u32 = 0;
const FILTER: u32 = 1;
const GET_ACTION_AVAIL: u32 = 2;
const TSYNC: u32 = 1;
const TSYNC_ESRCH: u32 = 16;

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x3_0000;
const ERRNO: u32 = 0x5_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

#[derive(Clone, Copy)]
#[repr(C)]
struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Returns `value` for one call, and allows all others.
fn only(number: i64, value: u32) -> [Instruction; 4] {
    [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, number as u32),
        instruction(0x06, 0, 0, value),
        instruction(0x06, 0, 0, ALLOW),
    ]
}

fn install(all: &[Instruction], flags: u32) -> Result<i64, Errno> {
    let program = Program {
        length: all.len() as u16,
        instructions: all.as_ptr(),
    };
    raw!(SYS_seccomp, FILTER, flags, &raw const program)
}

fn set_no_new_privs() -> bool {
    call!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)).is_ok()
}

fn getppid() -> Result<i64, Errno> {
    raw!(SYS_getppid)
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    arguments(report);
    rights(report);
    answers(report);
    ends(report);
    traps(report);
    heirs(report);
    threads(report)
}

/// A child must do what it checks, and exits.
fn child(report: &mut Report, what: &str, body: impl FnOnce() -> bool) {
    let end = sys::in_child(|| i32::from(!(set_no_new_privs() && body())));
    report.same(what, end, Ok(End::Exited(0)));
}

fn arguments(report: &mut Report) {
    let none = std::ptr::null::<u8>();
    let avail = |action: &u32, flags: u32| {
        let action = &raw const *action;
        raw!(SYS_seccomp, GET_ACTION_AVAIL, flags, action)
    };
    for action in [KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, TRACE, LOG, ALLOW] {
        report.same("an action", avail(&action, 0), Ok(0));
    }
    report.refused("no action", avail(&0x1234_0000, 0), libc::EOPNOTSUPP);
    report.refused("a flag", avail(&ALLOW, 1), libc::EINVAL);
    let nowhere = raw!(SYS_seccomp, GET_ACTION_AVAIL, 0, 8usize);
    report.refused("nowhere", nowhere, libc::EFAULT);
    let unknown = raw!(SYS_seccomp, 99, 0, none);
    report.refused("no such operation", unknown, libc::EINVAL);
    let flagged = raw!(SYS_seccomp, STRICT, 1, none);
    report.refused("strict with a flag", flagged, libc::EINVAL);
    let nowhere = raw!(SYS_seccomp, FILTER, 0, 8usize);
    report.refused("a program nowhere", nowhere, libc::EFAULT);
    let unknown = install(&only(0, ALLOW), 0x8000);
    report.refused("an unknown flag", unknown, libc::EINVAL);
    let mode = call!(libc::prctl(libc::PR_SET_SECCOMP, 9, 0, 0, 0));
    report.refused("no such mode", mode, libc::EINVAL);
    child(report, "programs are checked", || {
        let long = [instruction(0x06, 0, 0, ALLOW); 4097];
        let bad: [&[Instruction]; 8] = [
            &[],
            &long,
            &[instruction(0x00, 0, 0, 0)],
            &[instruction(0x15, 0, 1, 0), instruction(0x06, 0, 0, ALLOW)],
            &[instruction(0x05, 0, 0, 1), instruction(0x06, 0, 0, ALLOW)],
            &[instruction(0x20, 0, 0, 64), instruction(0x16, 0, 0, 0)],
            &[instruction(0x60, 0, 0, 0), instruction(0x16, 0, 0, 0)],
            &[instruction(0x30, 0, 0, 0), instruction(0x16, 0, 0, 0)],
        ];
        bad.iter()
            .all(|program| install(program, 0) == Err(Errno(libc::EINVAL)))
    });
}

fn rights(report: &mut Report) {
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let end = sys::in_child(|| {
        // SAFETY: takes a number.
        unsafe { libc::setuid(65534) };
        let filter = only(libc::SYS_getppid, ALLOW);
        let refused = install(&filter, 0) == Err(Errno(libc::EACCES));
        let bound = set_no_new_privs() && install(&filter, 0) == Ok(0);
        i32::from(!(refused && bound))
    });
    report.same("who may gain nothing may filter", end, Ok(End::Exited(0)));
}

fn answers(report: &mut Report) {
    let mode = || call!(libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0));
    child(report, "an error", || {
        install(&only(libc::SYS_getppid, ERRNO | 13), 0) == Ok(0)
            && getppid() == Err(Errno(13))
            && raw!(SYS_getpid).is_ok()
            && mode() == Ok(2)
    });
    child(report, "success without a call", || {
        install(&only(libc::SYS_getppid, ERRNO), 0) == Ok(0) && getppid() == Ok(0)
    });
    child(report, "nobody traces", || {
        install(&only(libc::SYS_getppid, TRACE | 1), 0) == Ok(0)
            && getppid() == Err(Errno(libc::ENOSYS))
    });
    child(report, "logged and made", || {
        let own = getppid();
        install(&only(libc::SYS_getppid, LOG), 0) == Ok(0) && getppid() == own
    });
    child(report, "the strictest counts", || {
        let all = [ERRNO | 3, ALLOW, TRACE, LOG];
        let installs = |value| install(&only(libc::SYS_getppid, value), 0) == Ok(0);
        all.into_iter().all(installs) && getppid() == Err(Errno(3))
    });
    child(report, "of equals the newest", || {
        let installs = |value| install(&only(libc::SYS_getppid, value), 0) == Ok(0);
        installs(ERRNO | 3) && installs(ERRNO | 4) && getppid() == Err(Errno(4))
    });
    child(report, "an argument decides", || {
        // dup of descriptor 77 and no other.
        let filter = [
            instruction(0x20, 0, 0, 0),
            instruction(0x15, 0, 3, libc::SYS_dup as u32),
            instruction(0x20, 0, 0, 16),
            instruction(0x15, 0, 1, 77),
            instruction(0x06, 0, 0, ERRNO | 40),
            instruction(0x06, 0, 0, ALLOW),
        ];
        install(&filter, 0) == Ok(0)
            && raw!(SYS_dup, 77) == Err(Errno(40))
            && raw!(SYS_dup, 78) == Err(Errno(libc::EBADF))
    });
    child(report, "not strict any more", || {
        install(&only(libc::SYS_getppid, ALLOW), 0) == Ok(0)
            && call!(libc::prctl(libc::PR_SET_SECCOMP, 1, 0, 0, 0)) == Err(Errno(libc::EINVAL))
    });
    child(report, "filters have a bound", || {
        let long = [instruction(0x06, 0, 0, ALLOW); 4096];
        (0..16).any(|_| install(&long, 0) == Err(Errno(libc::ENOMEM)))
    });
}

fn ends(report: &mut Report) {
    let ends = |body: fn()| {
        sys::in_child(|| {
            set_no_new_privs();
            body();
            1
        })
    };
    for value in [KILL_PROCESS, KILL_THREAD, 0x1234_0000] {
        let end = sys::in_child(|| {
            set_no_new_privs();
            // A handler does not help.
            // SAFETY: it does nothing.
            unsafe { libc::signal(libc::SIGSYS, nothing as *const () as usize) };
            let _ = install(&only(libc::SYS_getppid, value), 0);
            let _ = getppid();
            1
        });
        report.same("killed", end, Ok(End::Killed(libc::SIGSYS)));
    }
    let strict = ends(|| {
        let _ = call!(libc::prctl(libc::PR_SET_SECCOMP, 1, 0, 0, 0));
        let _ = getppid();
    });
    report.same("strictly", strict, Ok(End::Killed(libc::SIGKILL)));
    let strict = ends(|| {
        let _ = raw!(SYS_seccomp, STRICT, 0, 0usize);
        let _ = sys::write(2, b"");
        let _ = raw!(SYS_exit, 7);
    });
    report.same("what is left", strict, Ok(End::Exited(7)));
    child(report, "one thread of two", || {
        let thread = std::thread::spawn(|| {
            let _ = install(&only(libc::SYS_getppid, KILL_THREAD), 0);
            ENDING.store(1, Ordering::SeqCst);
            let _ = getppid();
            ENDING.store(2, Ordering::SeqCst);
        });
        while ENDING.load(Ordering::SeqCst) == 0 {
            sys::sleep_ms(1);
        }
        sys::sleep_ms(50);
        let mine = getppid().is_ok() && ENDING.load(Ordering::SeqCst) == 1;
        // It has ended where nobody could tell those who wait for it.
        std::mem::forget(thread);
        mine
    });
}

static ENDING: AtomicI32 = AtomicI32::new(0);

extern "C" fn nothing(_: i32) {}

static TOLD: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// The head of a siginfo, and what `SIGSYS` has behind it.
#[repr(C)]
struct Caught {
    signo: i32,
    errno: i32,
    code: i32,
    pad: i32,
    address: u64,
    number: i32,
    arch: u32,
}

extern "C" fn catch(_: i32, info: *const Caught, _: *mut libc::c_void) {
    // SAFETY: the kernel's, for as long as the handler runs.
    let caught = unsafe { &*info };
    let code = caught.code as u64;
    TOLD[0].store(code << 32 | caught.errno as u64, Ordering::SeqCst);
    TOLD[1].store(caught.number as u64, Ordering::SeqCst);
    TOLD[2].store(caught.address, Ordering::SeqCst);
}

fn traps(report: &mut Report) {
    child(report, "a trap tells", || {
        // SAFETY: plain bits.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = catch as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        let set = call!(libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut()));
        let installed = install(&only(libc::SYS_getppid, TRAP | 21), 0);
        let _ = getppid();
        let told = TOLD.each_ref().map(|word| word.load(Ordering::SeqCst));
        set.is_ok()
            && installed.is_ok()
            && told[0] == (1 << 32 | 21)
            && told[1] == libc::SYS_getppid as u64
            && told[2] != 0
    });
    let end = sys::in_child(|| {
        set_no_new_privs();
        let _ = sys::block_signals(&[libc::SIGSYS]);
        let _ = install(&only(libc::SYS_getppid, TRAP), 0);
        let _ = getppid();
        1
    });
    report.same("blocked, it kills", end, Ok(End::Killed(libc::SIGSYS)));
}

/// What `/proc` says: the mode, and how many filters there are.
fn status() -> Option<(u32, u32)> {
    let text = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some((of("Seccomp:")?, of("Seccomp_filters:")?))
}

fn heirs(report: &mut Report) {
    let before = status().unwrap_or((9, 9));
    report.check("the status tells", before.0 == 0 || before.0 == 2);
    child(report, "and counts", || {
        let filter = only(libc::SYS_getppid, ALLOW);
        install(&filter, 0).is_ok()
            && install(&filter, 0).is_ok()
            && status() == Some((2, before.1 + 2))
    });
    child(report, "children inherit", || {
        let installed = install(&only(libc::SYS_getppid, ERRNO | 9), 0).is_ok();
        let same = || i32::from(getppid() != Err(Errno(9)));
        installed && sys::in_child(same) == Ok(End::Exited(0))
    });
    child(report, "and so do programs", || {
        // Whoever starts another name of the host may not have it.
        let installed = install(&only(libc::SYS_getpgid, KILL_PROCESS), 0).is_ok();
        let allowed = sys::run_self(&["exit", "6"]);
        let killed = sys::run_self(&["filtered"]);
        installed && allowed == Ok(End::Exited(6)) && killed == Ok(End::Killed(libc::SIGSYS))
    });
}

/// Makes the call that a filter is to have forbidden.
pub fn filtered(_: &mut Report, _: &[String]) -> Outcome {
    raw!(SYS_getpgid, 0)?;
    Err("it is not filtered".to_owned())
}

fn threads(report: &mut Report) -> Outcome {
    child(report, "all threads at once", || {
        let (ready, go) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                ready.wait();
                go.wait();
                // SAFETY: asks.
                let bound = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) };
                (getppid(), bound)
            });
            ready.wait();
            let installed = install(&only(libc::SYS_getppid, ERRNO | 8), TSYNC);
            go.wait();
            let other = other.join();
            installed == Ok(0)
                && other.is_ok_and(|told| told == (Err(Errno(8)), 1))
                && getppid() == Err(Errno(8))
        })
    });
    child(report, "one has filters of its own", || {
        let (ready, go) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        let tid = AtomicI32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = install(&only(libc::SYS_getppid, ALLOW), 0);
                // SAFETY: asks.
                tid.store(unsafe { libc::gettid() }, Ordering::SeqCst);
                ready.wait();
                go.wait();
            });
            ready.wait();
            let filter = only(libc::SYS_getppid, ERRNO | 8);
            let first = install(&filter, TSYNC);
            let second = install(&filter, TSYNC | TSYNC_ESRCH);
            go.wait();
            first == Ok(i64::from(tid.load(Ordering::SeqCst)))
                && second == Err(Errno(libc::ESRCH))
                && getppid().is_ok()
        })
    });
    Ok(())
}
