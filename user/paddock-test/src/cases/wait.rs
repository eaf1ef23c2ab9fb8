//! Waiting for children.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::time::{Duration, Instant};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    statuses(report)?;
    looking(report)?;
    choosing(report)?;
    by_waitid(report)?;
    stopped(report)?;
    orphans(report)?;
    for_another(report)?;
    siblings(report)?;
    ignored(report)
}

/// Whoever is given another's child (`CLONE_PARENT`) hears of its end by the signal
/// that it awaits, not by the maker's choice.
fn siblings(report: &mut Report) -> Outcome {
    let outer = sys::in_child(|| {
        let maker = sys::fork(|| {
            let flags = libc::CLONE_PARENT | libc::SIGUSR1;
            let child = call!(libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0));
            i32::from(child.is_err())
        });
        let mut good = maker.is_ok();
        for _ in 0..2 {
            good &= sys::wait(-1) == Ok(End::Exited(0));
        }
        i32::from(!good)
    })?;
    report.same("a sibling's end", outer, End::Exited(0));
    Ok(())
}

/// Who waits in vfork(2) for a child that does not end can be killed.
fn for_another(report: &mut Report) -> Outcome {
    let waiting = sys::fork(|| {
        let flags = libc::CLONE_VFORK | libc::SIGCHLD;
        let child = call!(libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0));
        if child == Ok(0) {
            let _ = call!(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
            sys::sleep_ms(20_000);
        }
        1
    })?;
    sys::sleep_ms(50);
    report.same("in vfork", sys::wait_with(waiting, libc::WNOHANG)?.0, 0);
    let begun = Instant::now();
    sys::kill(waiting, libc::SIGKILL)?;
    report.same(
        "killed in vfork",
        sys::wait(waiting)?,
        End::Killed(libc::SIGKILL),
    );
    report.check("at once", begun.elapsed() < Duration::from_secs(10));
    Ok(())
}

fn statuses(report: &mut Report) -> Outcome {
    for (name, status, end) in [
        ("status 0", 0, 0),
        ("status 255", 255, 255),
        ("status 256 is cut", 256, 0),
    ] {
        report.same(name, sys::in_child(|| status)?, End::Exited(end));
    }
    let child = sys::fork(|| {
        sys::sleep_ms(10_000);
        0
    })?;
    sys::kill(child, libc::SIGKILL)?;
    report.same("killed", sys::wait(child)?, End::Killed(libc::SIGKILL));
    report.refused("only once", sys::wait(child), libc::ECHILD);
    report.refused("no such child", sys::wait(1), libc::ECHILD);
    let bad = sys::wait_with(-1, 0x4000);
    report.refused("an unknown option", bad, libc::EINVAL);
    Ok(())
}

fn looking(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let _ = sys::close(writer);
        let _ = sys::read(reader, &mut [0]);
        3
    })?;
    let none = sys::wait_with(child, libc::WNOHANG)?;
    report.same("not yet", none.0, 0);
    sys::close(writer)?;
    report.same("then it ends", sys::wait(child)?, End::Exited(3));
    sys::close(reader)?;
    let child = sys::fork(|| 0)?;
    sys::sleep_ms(30);
    report.works(
        "a child that has ended still has its number",
        sys::kill(child, 0),
    );
    report.same("until it is waited for", sys::wait(child)?, End::Exited(0));
    report.refused("then it has not", sys::kill(child, 0), libc::ESRCH);
    Ok(())
}

fn choosing(report: &mut Report) -> Outcome {
    let mut children = Vec::new();
    for n in 0..10 {
        children.push(sys::fork(|| n)?);
    }
    let last = children[9];
    report.same("one by its number", sys::wait(last)?, End::Exited(9));
    let mut seen = Vec::new();
    for _ in 0..9 {
        let (pid, end) = sys::wait_with(-1, 0)?;
        seen.push((pid, end));
    }
    seen.sort_by_key(|(pid, _)| children.iter().position(|child| child == pid));
    let expected: Vec<_> = (0..9)
        .map(|n| (children[n], End::Exited(n as i32)))
        .collect();
    report.check("the others in any order", seen == expected);
    let child = sys::fork(|| {
        sys::sleep_ms(30);
        4
    })?;
    call!(libc::setpgid(child, child))?;
    let found = sys::wait_with(-child, 0)?;
    report.same("by its group", found, (child, End::Exited(4)));
    report.refused("nobody in mine", sys::wait_with(0, 0), libc::ECHILD);
    Ok(())
}

/// Number, code and status of what waitid finds; the number is 0 for nothing.
fn waitid(kind: libc::idtype_t, id: i32, flags: i32) -> Result<(i32, i32, i32), Errno> {
    // SAFETY: an all-zero siginfo is valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    call!(libc::waitid(kind, id.unsigned_abs(), &mut info, flags))?;
    // SAFETY: waitid filled it in the form of SIGCHLD, or left it zero.
    Ok(unsafe { (info.si_pid(), info.si_code, info.si_status()) })
}

fn by_waitid(report: &mut Report) -> Outcome {
    let flags = libc::WEXITED;
    let child = sys::fork(|| 6)?;
    let exited = (child, libc::CLD_EXITED, 6);
    let found = waitid(libc::P_ALL, 0, flags | libc::WNOWAIT);
    report.same("looked at", found, Ok(exited));
    report.same(
        "and left there",
        waitid(libc::P_PID, child, flags),
        Ok(exited),
    );
    let child = sys::fork(|| {
        sys::sleep_ms(10_000);
        0
    })?;
    let found = waitid(libc::P_PID, child, flags | libc::WNOHANG);
    report.same("nothing yet", found, Ok((0, 0, 0)));
    sys::kill(child, libc::SIGTERM)?;
    let found = waitid(libc::P_PID, child, flags);
    report.same(
        "killed",
        found,
        Ok((child, libc::CLD_KILLED, libc::SIGTERM)),
    );
    let none = waitid(libc::P_ALL, 0, flags);
    report.refused("nobody", none, libc::ECHILD);
    report.refused("for nothing", waitid(libc::P_ALL, 0, 0), libc::EINVAL);
    Ok(())
}

fn stopped(report: &mut Report) -> Outcome {
    let child = sys::fork(|| {
        sys::sleep_ms(10_000);
        0
    })?;
    sys::kill(child, libc::SIGSTOP)?;
    let found = sys::wait_with(child, libc::WUNTRACED)?;
    report.same("stopped", found.1, End::Stopped(libc::SIGSTOP));
    sys::kill(child, libc::SIGTERM)?;
    sys::sleep_ms(20);
    let none = sys::wait_with(child, libc::WNOHANG)?;
    report.same("a stopped one waits with its end", none.0, 0);
    sys::kill(child, libc::SIGCONT)?;
    report.same(
        "until it goes on",
        sys::wait(child)?,
        End::Killed(libc::SIGTERM),
    );
    Ok(())
}

/// A child whose parent ends first has another parent then.
fn orphans(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let end = sys::in_child(|| {
        let parent = std::process::id().cast_signed();
        let grandchild = sys::fork(|| {
            // SAFETY: `getppid` touches no memory.
            while unsafe { libc::getppid() } == parent {
                sys::sleep_ms(1);
            }
            i32::from(sys::write(writer, b"orphan").is_err())
        });
        i32::from(grandchild.is_err())
    })?;
    report.same("the parent ends", end, End::Exited(0));
    sys::close(writer)?;
    report.same(
        "the child lives on",
        sys::read_to_end(reader)?,
        b"orphan".to_vec(),
    );
    sys::close(reader)?;
    Ok(())
}

/// Who ignores SIGCHLD has no children to wait for.
fn ignored(report: &mut Report) -> Outcome {
    let end = sys::in_child(|| {
        // SAFETY: to be ignored needs nothing of ours.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        let child = sys::fork(|| 0);
        match child.map(sys::wait) {
            Ok(Err(Errno(libc::ECHILD))) => 0,
            _ => 1,
        }
    })?;
    report.same("children that nobody waits for", end, End::Exited(0));
    Ok(())
}
