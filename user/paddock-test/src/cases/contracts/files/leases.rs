//! fcntl(2): F_SETLEASE and F_GETLEASE, who breaks a lease and who may have one.
use crate::cases::contracts::prelude::*;

const F_SETLEASE: i32 = 1024;
const F_GETLEASE: i32 = 1025;
const READ: i32 = F_RDLCK as i32;
const WRITE: i32 = F_WRLCK as i32;
const NONE: i32 = F_UNLCK as i32;
const POLL_MSG: i32 = 3;

fn set(fd: i32, kind: i32) -> Result<i32, Errno> {
    call!(fcntl(fd, F_SETLEASE, kind))
}

fn has(fd: i32) -> Result<i32, Errno> {
    call!(fcntl(fd, F_GETLEASE))
}

/// The next signal of these: its number, code and descriptor.
fn taken(signals: &[i32], seconds: i64) -> Option<(i32, i32, i32)> {
    // SAFETY: plain numbers.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let set = sys::signal_set(signals);
    let soon = time(seconds, 0);
    let signal = call!(sigtimedwait(&raw const set, &raw mut info, &raw const soon)).ok()?;
    // SAFETY: a siginfo_t has 128 bytes.
    let words: [u32; 8] = unsafe { (&raw const info).cast::<[u32; 8]>().read_unaligned() };
    Some((signal, info.si_code, words[6] as i32))
}

fn rules(t: &mut Report) -> Outcome {
    folder("d")?;
    let fd = opened("f", O_RDONLY)?;
    t.same("none", has(fd), Ok(NONE));
    t.refused("none to give up", set(fd, NONE), EAGAIN);
    t.refused("no kind", set(fd, 7), EINVAL);
    t.refused("of a folder", set(opened("d", O_RDONLY)?, READ), EINVAL);
    t.works("for reading", set(fd, READ));
    t.same("is told", has(fd), Ok(READ));
    t.works("for writing, as nobody else has it open", set(fd, WRITE));
    t.same("is told too", has(fd), Ok(WRITE));
    t.works("given up", set(fd, NONE));
    let other = opened("f", O_RDONLY)?;
    t.works("two read", set(fd, READ));
    t.works("with a lease each", set(other, READ));
    t.refused("none writes", set(fd, WRITE), EAGAIN);
    for open in [fd, other] {
        t.works("given up", set(open, NONE));
    }
    t.refused("open elsewhere", set(fd, WRITE), EAGAIN);
    sys::close(other)?;
    let writer = opened("f", O_RDWR)?;
    t.refused("open for writing", set(fd, READ), EAGAIN);
    t.refused("by itself", set(writer, READ), EAGAIN);
    sys::close(fd)?;
    t.works("a writer's own", set(writer, WRITE));
    sys::close(writer)?;
    let fd = opened("f", O_RDONLY)?;
    t.same("closing gave it up", has(fd), Ok(NONE));
    sys::close(fd)?;
    Ok(())
}

fn breaks(t: &mut Report) -> Outcome {
    let queued = SIGRTMIN() + 2;
    let all = [SIGIO, queued];
    sys::block_signals(&all)?;
    let fd = opened("f", O_RDONLY)?;
    t.works("for writing", set(fd, WRITE));
    let nobody_waits = opened("f", O_RDONLY | O_NONBLOCK);
    t.refused("who must not wait", nobody_waits, EWOULDBLOCK);
    t.same("breaks it", taken(&all, 20).map(|it| it.0), Some(SIGIO));
    t.same("it is to be for reading", has(fd), Ok(READ));
    t.refused("again", opened("f", O_RDONLY | O_NONBLOCK), EWOULDBLOCK);
    t.same("is told once", taken(&all, 0), None);
    t.works("it is", set(fd, READ));
    t.works("who reads may", opened("f", O_RDONLY | O_NONBLOCK));
    t.refused(
        "who writes may not",
        opened("f", O_WRONLY | O_NONBLOCK),
        EWOULDBLOCK,
    );
    t.same(
        "and it is told",
        taken(&all, 20).map(|it| it.0),
        Some(SIGIO),
    );
    t.same("it is to go", has(fd), Ok(NONE));
    t.works("it goes", set(fd, NONE));
    yes!(t; "another signal": fcntl(fd, F_SETSIG, queued););
    t.works("for reading", set(fd, READ));
    let breaker = sys::fork(|| unless(call!(truncate(c"f".as_ptr(), 0)).is_ok()))?;
    let told = Some((queued, POLL_MSG, fd));
    t.same("truncate breaks it", taken(&all, 20), told);
    sys::until_asleep(breaker)?;
    t.refused("a writer is there", set(fd, READ), EAGAIN);
    t.works("it goes", set(fd, NONE));
    t.same("and the other on", sys::wait(breaker), Ok(End::Exited(0)));
    Ok(())
}

fn limits(t: &mut Report) -> Outcome {
    let fd = opened("f", O_RDONLY)?;
    as_nobody(t, |t| {
        t.refused("another's file", set(fd, READ), EACCES);
        Ok(())
    })?;
    t.same(
        "how long one waits",
        text("/proc/sys/fs/lease-break-time"),
        "45\n".to_owned(),
    );
    t.same(
        "there are leases",
        text("/proc/sys/fs/leases-enable"),
        "1\n".to_owned(),
    );
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    apart(t, rules)?;
    apart(t, limits)?;
    apart(t, breaks)
}
