//! ptrace(2): where those who are traced stand still, and what their tracers see.

use super::Outcome;
use super::errors::raw;
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::sync::atomic::{AtomicU64, Ordering};

const TRACEME: u64 = 0;
const PEEKDATA: u64 = 2;
const POKEDATA: u64 = 5;
const CONT: u64 = 7;
const SINGLESTEP: u64 = 9;
const ATTACH: u64 = 16;
const DETACH: u64 = 17;
const SYSCALL: u64 = 24;
const SETOPTIONS: u64 = 0x4200;
const GETEVENTMSG: u64 = 0x4201;
const GETSIGINFO: u64 = 0x4202;
const SEIZE: u64 = 0x4206;
const INTERRUPT: u64 = 0x4207;
const LISTEN: u64 = 0x4208;
const GETSIGMASK: u64 = 0x420a;
const GET_SYSCALL_INFO: u64 = 0x420e;

const O_SYSGOOD: u64 = 1;
const O_FORK: u64 = 2;
const O_EXEC: u64 = 0x10;
const O_EXIT: u64 = 0x40;
const O_EXITKILL: u64 = 0x10_0000;

const EVENT_FORK: i32 = 1;
const EVENT_EXEC: i32 = 4;
const EVENT_EXIT: i32 = 6;
const EVENT_STOP: i32 = 128;
const TRAP: i32 = libc::SIGTRAP;

/// What a child changes and its tracer looks at: each has its own.
static WORD: AtomicU64 = AtomicU64::new(0x1122_3344_5566_7788);

fn ptrace(request: u64, pid: i32, address: u64, data: u64) -> Result<i64, Errno> {
    raw!(SYS_ptrace, request, pid, address, data)
}

/// The status of a thread that is waited for, as wait4(2) stores it.
fn status_of(pid: i32) -> Result<i32, Errno> {
    let mut status = 0;
    call!(libc::waitpid(pid, &mut status, libc::__WALL))?;
    Ok(status)
}

const fn stopped(signal: i32, event: i32) -> i32 {
    event << 16 | signal << 8 | 0x7f
}

/// A child that is traced, stands at its `SIGSTOP`, and then goes on with `body`.
fn traced(body: impl FnOnce() -> i32) -> Result<i32, Errno> {
    let pid = sys::fork(|| {
        if ptrace(TRACEME, 0, 0, 0).is_err() {
            return 99;
        }
        // SAFETY: only a signal.
        unsafe { libc::raise(libc::SIGSTOP) };
        body()
    })?;
    match status_of(pid)? == stopped(libc::SIGSTOP, 0) {
        true => Ok(pid),
        false => Err(Errno(libc::EPROTO)),
    }
}

/// A child that sleeps until it is killed.
fn sleeper() -> Result<i32, Errno> {
    sys::fork(|| {
        loop {
            sys::sleep_ms(1000);
        }
    })
}

fn end(pid: i32) {
    let _ = sys::kill(pid, libc::SIGKILL);
    let _ = sys::wait(pid);
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    refusals(report)?;
    memory(report)?;
    calls(report)?;
    signals(report)?;
    execs(report)?;
    forks(report)?;
    ends(report)?;
    seized(report)?;
    group_stop(report)?;
    attached(report)?;
    steps(report)?;
    tracers_end(report)?;
    no_gain(report)
}

fn refusals(report: &mut Report) -> Outcome {
    report.refused("nobody", ptrace(ATTACH, 0x3fff_ffff, 0, 0), libc::ESRCH);
    report.refused("not traced", ptrace(CONT, 1, 0, 0), libc::ESRCH);
    let own = std::process::id() as i32;
    report.refused("oneself", ptrace(ATTACH, own, 0, 0), libc::EPERM);
    let pid = traced(|| 0)?;
    let bad = 8;
    let mut word = 0u64;
    let to = (&raw mut word).addr() as u64;
    report.refused("no such request", ptrace(0x1234, pid, 0, 0), libc::EIO);
    report.refused("twice", ptrace(ATTACH, pid, 0, 0), libc::EPERM);
    report.refused("peek nowhere", ptrace(PEEKDATA, pid, bad, to), libc::EIO);
    report.refused("poke nowhere", ptrace(POKEDATA, pid, bad, 0), libc::EIO);
    let options = ptrace(SETOPTIONS, pid, 0, 1 << 40);
    report.refused("unknown options", options, libc::EINVAL);
    report.refused("no such signal", ptrace(CONT, pid, 0, 65), libc::EIO);
    let mask = ptrace(GETSIGMASK, pid, 4, to);
    report.refused("a mask of another size", mask, libc::EINVAL);
    report.refused("only seized ones", ptrace(INTERRUPT, pid, 0, 0), libc::EIO);
    report.refused("listen", ptrace(LISTEN, pid, 0, 0), libc::EIO);
    report.works("it goes on", ptrace(CONT, pid, 0, 0));
    report.same("to its end", sys::wait(pid), Ok(End::Exited(0)));
    let pid = sleeper()?;
    report.refused("seize at", ptrace(SEIZE, pid, 1, 0), libc::EIO);
    report.refused("seize so", ptrace(SEIZE, pid, 0, 1 << 40), libc::EIO);
    report.works("seize", ptrace(SEIZE, pid, 0, 0));
    let running = ptrace(PEEKDATA, pid, to, to);
    report.refused("one that runs", running, libc::ESRCH);
    end(pid);
    Ok(())
}

fn memory(report: &mut Report) -> Outcome {
    let pid = traced(|| i32::from(WORD.load(Ordering::SeqCst) != 42))?;
    let at = (&raw const WORD).addr() as u64;
    let mut word = 0u64;
    let to = (&raw mut word).addr() as u64;
    report.works("peek", ptrace(PEEKDATA, pid, at, to));
    report.same("what is there", word, 0x1122_3344_5566_7788);
    report.works("poke", ptrace(POKEDATA, pid, at, 42));
    report.works("on", ptrace(CONT, pid, 0, 0));
    report.same("what was written", sys::wait(pid), Ok(End::Exited(0)));
    report.same(
        "the tracer's own is as it was",
        WORD.load(Ordering::SeqCst),
        0x1122_3344_5566_7788,
    );
    // Code, which the program itself may not write.
    let pid = traced(|| 0)?;
    let code = run as fn(&mut Report, &[String]) -> Outcome as usize as u64 & !7;
    ptrace(PEEKDATA, pid, code, to)?;
    let old = word;
    report.works("poke code", ptrace(POKEDATA, pid, code, !old));
    ptrace(PEEKDATA, pid, code, to)?;
    report.same("changed there", word, !old);
    end(pid);
    Ok(())
}

/// `struct ptrace_syscall_info`: its kind and the words after the head.
fn call_info(pid: i32) -> Result<(u8, [u64; 8]), Errno> {
    let mut words = [0u64; 11];
    let to = words.as_mut_ptr().addr() as u64;
    ptrace(GET_SYSCALL_INFO, pid, 88, to)?;
    let mut rest = [0; 8];
    rest.copy_from_slice(&words[3..]);
    Ok((words[0] as u8, rest))
}

fn calls(report: &mut Report) -> Outcome {
    let pid = traced(|| {
        let _ = raw!(SYS_close, 12345);
        0
    })?;
    ptrace(SETOPTIONS, pid, 0, O_SYSGOOD)?;
    report.same("no call here", call_info(pid)?.0, 0);
    let mut found = false;
    // The C library may make others before.
    for _ in 0..40 {
        ptrace(SYSCALL, pid, 0, 0)?;
        let status = status_of(pid)?;
        if libc::WIFEXITED(status) {
            break;
        }
        if status != stopped(TRAP | 0x80, 0) {
            continue;
        }
        let (kind, words) = call_info(pid)?;
        if kind == 1 && words[0] == libc::SYS_close as u64 && words[1] == 12345 {
            found = true;
            ptrace(SYSCALL, pid, 0, 0)?;
            report.same("its end", status_of(pid)?, stopped(TRAP | 0x80, 0));
            let (kind, words) = call_info(pid)?;
            let error = i64::from(-libc::EBADF) as u64;
            report.same("of kind exit", kind, 2);
            report.same("what it gave", words[0], error);
            report.same("an error", words[1] as u8, 1);
        }
    }
    report.check("a call is told of with its arguments", found);
    end(pid);
    Ok(())
}

fn signals(report: &mut Report) -> Outcome {
    let raise = |signal| {
        move || {
            // SAFETY: only a signal.
            unsafe { libc::raise(signal) };
            7
        }
    };
    let pid = traced(raise(libc::SIGTERM))?;
    ptrace(CONT, pid, 0, 0)?;
    report.same(
        "a signal stops it",
        status_of(pid)?,
        stopped(libc::SIGTERM, 0),
    );
    let mut info = [0u8; 128];
    let to = info.as_mut_ptr().addr() as u64;
    report.works("its siginfo", ptrace(GETSIGINFO, pid, 0, to));
    report.same("its number", i32::from(info[0]), libc::SIGTERM);
    ptrace(CONT, pid, 0, 0)?;
    report.same("without it", sys::wait(pid), Ok(End::Exited(7)));
    let pid = traced(raise(libc::SIGUSR1))?;
    ptrace(CONT, pid, 0, 0)?;
    status_of(pid)?;
    ptrace(CONT, pid, 0, libc::SIGINT as u64)?;
    let killed = Ok(End::Killed(libc::SIGINT));
    report.same("another in its place", sys::wait(pid), killed);
    let pid = traced(raise(libc::SIGWINCH))?;
    ptrace(CONT, pid, 0, 0)?;
    let ignored = stopped(libc::SIGWINCH, 0);
    report.same("one that does nothing", status_of(pid)?, ignored);
    report.works("killed", sys::kill(pid, libc::SIGKILL));
    let killed = Ok(End::Killed(libc::SIGKILL));
    report.same("SIGKILL needs no tracer", sys::wait(pid), killed);
    Ok(())
}

fn execs(report: &mut Report) -> Outcome {
    for (options, event) in [(0, 0), (O_EXEC, EVENT_EXEC)] {
        let pid = traced(|| {
            sys::exec_self(&["exit", "5"]);
            1
        })?;
        ptrace(SETOPTIONS, pid, 0, options)?;
        ptrace(CONT, pid, 0, 0)?;
        report.same("another program", status_of(pid)?, stopped(TRAP, event));
        ptrace(CONT, pid, 0, 0)?;
        report.same("which ends", sys::wait(pid), Ok(End::Exited(5)));
    }
    Ok(())
}

fn forks(report: &mut Report) -> Outcome {
    let pid = traced(|| match sys::in_child(|| 3) {
        Ok(End::Exited(3)) => 0,
        _ => 1,
    })?;
    ptrace(SETOPTIONS, pid, 0, O_FORK)?;
    ptrace(CONT, pid, 0, 0)?;
    report.same("a fork", status_of(pid)?, stopped(TRAP, EVENT_FORK));
    let mut made = 0u64;
    let to = (&raw mut made).addr() as u64;
    report.works("whom", ptrace(GETEVENTMSG, pid, 0, to));
    let child = made as i32;
    report.same("it stands", status_of(child)?, stopped(libc::SIGSTOP, 0));
    ptrace(CONT, child, 0, 0)?;
    ptrace(CONT, pid, 0, 0)?;
    report.same("the child's end", status_of(child)?, 3 << 8);
    // The end of its child is a signal, of which its tracer is told too.
    report.same("SIGCHLD", status_of(pid)?, stopped(libc::SIGCHLD, 0));
    ptrace(CONT, pid, 0, libc::SIGCHLD as u64)?;
    report.same("the parent's end", sys::wait(pid), Ok(End::Exited(0)));
    Ok(())
}

fn ends(report: &mut Report) -> Outcome {
    let pid = traced(|| 9)?;
    ptrace(SETOPTIONS, pid, 0, O_EXIT)?;
    ptrace(CONT, pid, 0, 0)?;
    report.same("about to end", status_of(pid)?, stopped(TRAP, EVENT_EXIT));
    let mut status = 0u64;
    let to = (&raw mut status).addr() as u64;
    ptrace(GETEVENTMSG, pid, 0, to)?;
    report.same("with what", status, 9 << 8);
    ptrace(CONT, pid, 0, 0)?;
    report.same("ended", sys::wait(pid), Ok(End::Exited(9)));
    Ok(())
}

fn seized(report: &mut Report) -> Outcome {
    let pid = sleeper()?;
    report.works("seize", ptrace(SEIZE, pid, 0, 0));
    let own = std::process::id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let told = status.is_ok_and(|text| text.contains(&format!("TracerPid:\t{own}\n")));
    report.check("TracerPid", told);
    report.works("interrupt", ptrace(INTERRUPT, pid, 0, 0));
    report.same("it stands", status_of(pid)?, stopped(TRAP, EVENT_STOP));
    report.works("detach", ptrace(DETACH, pid, 0, 0));
    report.refused("not any more", ptrace(CONT, pid, 0, 0), libc::ESRCH);
    end(pid);
    Ok(())
}

fn group_stop(report: &mut Report) -> Outcome {
    let pid = sleeper()?;
    ptrace(SEIZE, pid, 0, 0)?;
    sys::kill(pid, libc::SIGSTOP)?;
    let stop = libc::SIGSTOP;
    report.same("the signal", status_of(pid)?, stopped(stop, 0));
    ptrace(CONT, pid, 0, stop as u64)?;
    report.same("the stop", status_of(pid)?, stopped(stop, EVENT_STOP));
    report.works("listen", ptrace(LISTEN, pid, 0, 0));
    let looked = sys::wait_with(pid, libc::WNOHANG | libc::__WALL);
    report.same("it stays so", looked, Ok((0, End::Exited(0))));
    sys::kill(pid, libc::SIGCONT)?;
    report.same("continued", status_of(pid)?, stopped(TRAP, EVENT_STOP));
    ptrace(CONT, pid, 0, 0)?;
    report.same("SIGCONT", status_of(pid)?, stopped(libc::SIGCONT, 0));
    end(pid);
    Ok(())
}

fn attached(report: &mut Report) -> Outcome {
    let pid = sleeper()?;
    report.works("attach", ptrace(ATTACH, pid, 0, 0));
    report.same("it stands", status_of(pid)?, stopped(libc::SIGSTOP, 0));
    report.works("detach", ptrace(DETACH, pid, 0, libc::SIGTERM as u64));
    let killed = Ok(End::Killed(libc::SIGTERM));
    report.same("with a signal", sys::wait(pid), killed);
    Ok(())
}

fn steps(report: &mut Report) -> Outcome {
    let pid = traced(|| 4)?;
    let mut info = [0u8; 128];
    let to = info.as_mut_ptr().addr() as u64;
    for _ in 0..50 {
        ptrace(SINGLESTEP, pid, 0, 0)?;
        if status_of(pid)? != stopped(TRAP, 0) {
            return Err("no step".into());
        }
    }
    ptrace(GETSIGINFO, pid, 0, to)?;
    report.same("TRAP_TRACE", info[8], 2);
    ptrace(CONT, pid, 0, 0)?;
    report.same("fifty steps, then on", sys::wait(pid), Ok(End::Exited(4)));
    Ok(())
}

/// A tracer that ends without a word: whoever it traced goes on, or not.
fn tracers_end(report: &mut Report) -> Outcome {
    for (options, what) in [(0, "it goes on"), (O_EXITKILL, "it ends too")] {
        let pid = sleeper()?;
        let seized = sys::in_child(|| match ptrace(SEIZE, pid, 0, options) {
            Ok(_) => 0,
            Err(Errno(errno)) => errno,
        });
        // A sibling may be traced by the superuser alone on some machines.
        report.same("seized by a sibling", seized, Ok(End::Exited(0)));
        match options {
            0 => {
                sys::sleep_ms(50);
                let looked = sys::wait_with(pid, libc::WNOHANG);
                report.same(what, looked, Ok((0, End::Exited(0))));
                end(pid);
            }
            _ => report.same(what, sys::wait(pid), Ok(End::Killed(libc::SIGKILL))),
        }
    }
    Ok(())
}

/// A program with the set-user-ID bit gives nothing to one who is traced by a user.
fn no_gain(report: &mut Report) -> Outcome {
    const NOBODY: u32 = 65534;
    const FILE: &std::ffi::CStr = c"/tmp/ptrace-set-user-id";
    // SAFETY: asks who this is.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    let path = "/tmp/ptrace-set-user-id";
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    std::fs::copy(own, path).map_err(|error| error.to_string())?;
    call!(libc::chmod(FILE.as_ptr(), 0o4755))?;
    let told = sys::in_child(|| {
        let become_nobody = || {
            call!(libc::setgid(NOBODY))?;
            call!(libc::setuid(NOBODY))
        };
        if become_nobody().is_err() {
            return 90;
        }
        let pid = sys::fork(|| {
            let _ = ptrace(TRACEME, 0, 0, 0);
            let words = [
                FILE.as_ptr(),
                c"exit".as_ptr(),
                c"0".as_ptr(),
                std::ptr::null(),
            ];
            // SAFETY: texts that live for the call.
            unsafe { libc::execv(FILE.as_ptr(), words.as_ptr()) };
            91
        });
        let Ok(pid) = pid else { return 92 };
        if status_of(pid) != Ok(stopped(TRAP, 0)) {
            return 93;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
        end(pid);
        let same = "Uid:\t65534\t65534\t65534\t65534\n";
        i32::from(!status.is_ok_and(|text| text.contains(same)))
    });
    report.same("it stays who it was", told, Ok(End::Exited(0)));
    std::fs::remove_file(path).map_err(|error| error.to_string())
}
