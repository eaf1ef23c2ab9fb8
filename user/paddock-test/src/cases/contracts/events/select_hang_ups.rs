//! select(2) and what nobody has asked for: a hang-up is for those who want to read.
use crate::cases::contracts::prelude::*;

type Sets = [u64; 3];

fn select(fd: i32, sets: &mut Sets, timeout: *const timespec) -> Result<i64, Errno> {
    let [reads, writes, errors] = sets.each_mut().map(std::ptr::from_mut);
    raw!(SYS_pselect6, fd + 1, reads, writes, errors, timeout, 0usize)
}

/// Without a timeout, a wait for what does not come sleeps, and can be ended.
fn sleeps(fd: i32, mut sets: Sets) -> Result<bool, String> {
    let pid = sys::fork(|| i32::from(select(fd, &mut sets, null()).is_ok()))?;
    if sys::until_asleep(pid).is_err() {
        return Ok(false);
    }
    sys::kill(pid, SIGKILL)?;
    Ok(sys::wait(pid)? == End::Killed(SIGKILL))
}

pub fn run(t: &mut Report) -> Outcome {
    let alone = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let mut pair = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()))?;
    sys::close(pair[1])?;
    let [reader, writer] = sys::pipe()?;
    sys::close(writer)?;
    let soon = time(0, 10_000_000);
    for (what, fd, writes) in [
        ("a socket without a peer", alone, true),
        ("a socket whose peer is gone", pair[0], true),
        ("a pipe without a writer", reader, false),
    ] {
        let bit = 1u64 << fd;
        let mut sets = [bit; 3];
        let found = select(fd, &mut sets, &raw const soon);
        let told = [bit, if writes { bit } else { 0 }, 0];
        t.same(what, (found, sets), (Ok(1 + i64::from(writes)), told));
        let mut sets = [0, 0, bit];
        let found = select(fd, &mut sets, &raw const soon);
        t.same("has nothing urgent", (found, sets), (Ok(0), [0; 3]));
        t.check("which is waited for asleep", sleeps(fd, [0, 0, bit])?);
    }
    let bit = 1u64 << reader;
    let mut sets = [0, bit, 0];
    let found = select(reader, &mut sets, &raw const soon);
    t.same(
        "nobody writes to the reading end",
        (found, sets),
        (Ok(0), [0; 3]),
    );
    t.check("however long it waits", sleeps(reader, [0, bit, 0])?);
    Ok(())
}
