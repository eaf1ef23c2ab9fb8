//! fcntl(2): F_NOTIFY, signals of what happens in a folder.
use crate::cases::contracts::prelude::*;

const F_NOTIFY: i32 = 1026;
const ACCESS: u32 = 1;
const MODIFY: u32 = 2;
const CREATE: u32 = 4;
const DELETE: u32 = 8;
const RENAME: u32 = 16;
const ATTRIB: u32 = 32;
const AGAIN: u32 = 1 << 31;
const POLL_MSG: i32 = 3;

fn notify(fd: i32, events: u32) -> Result<i32, Errno> {
    call!(fcntl(fd, F_NOTIFY, events as usize))
}

/// The descriptors of which that signal tells, with its code.
fn told(signal: i32) -> Vec<(i32, i32)> {
    let mut all = Vec::new();
    loop {
        // SAFETY: plain numbers.
        let mut info: siginfo_t = unsafe { std::mem::zeroed() };
        let (set, now) = (sys::signal_set(&[signal]), time(0, 0));
        let taken = call!(sigtimedwait(&raw const set, &raw mut info, &raw const now));
        if taken.is_err() {
            return all;
        }
        // SAFETY: a siginfo_t has 128 bytes.
        let words: [u32; 8] = unsafe { (&raw const info).cast::<[u32; 8]>().read_unaligned() };
        all.push((info.si_code, words[6] as i32));
    }
}

fn plain(t: &mut Report) -> Outcome {
    let fd = opened("d", O_RDONLY)?;
    t.refused(
        "of a file",
        notify(opened("d/f", O_RDONLY)?, CREATE),
        ENOTDIR,
    );
    t.same("none", notify(fd, 0), Ok(0));
    t.same("once", notify(fd, CREATE), Ok(0));
    t.same("whose it is", call!(fcntl(fd, F_GETOWN)), Ok(own_pid()));
    t.same("nothing yet", told(SIGIO), vec![]);
    file("d/one", b"")?;
    t.same("SIGIO", told(SIGIO).len(), 1);
    file("d/two", b"")?;
    t.same("and no more", told(SIGIO).len(), 0);
    Ok(())
}

fn events(t: &mut Report) -> Outcome {
    let signal = SIGRTMIN() + 1;
    sys::block_signals(&[signal])?;
    let fd = opened("d", O_RDONLY)?;
    yes!(t; "with details": fcntl(fd, F_SETSIG, signal););
    let mut after = |what: &str, events: u32, count: usize, body: &dyn Fn() -> Outcome| {
        t.same("asked", notify(fd, events | AGAIN), Ok(0));
        let done = body();
        t.same(what, told(signal), vec![(POLL_MSG, fd); count]);
        t.same("no more", notify(fd, 0), Ok(0));
        done
    };
    let writes = || {
        let it = opened("d/f", O_RDWR)?;
        sys::write(it, b"abc")?;
        sys::close(it)?;
        Ok(())
    };
    let reads = || {
        let it = opened("d/f", O_RDONLY)?;
        sys::read(it, &mut [0; 1])?;
        sys::close(it)?;
        Ok(())
    };
    let moves = |from: &CStr, to: &CStr| {
        call!(rename(from.as_ptr(), to.as_ptr()))?;
        Ok(())
    };
    after("written", MODIFY, 1, &writes)?;
    after("not read", ACCESS, 0, &writes)?;
    after("read", ACCESS, 1, &reads)?;
    after("made", CREATE, 1, &|| file("d/three", b""))?;
    after("its mode", ATTRIB, 1, &|| {
        call!(chmod(c"d/f".as_ptr(), 0o600))?;
        Ok(())
    })?;
    after("the folder's own", ATTRIB, 1, &|| {
        call!(chmod(c"d".as_ptr(), 0o700))?;
        Ok(())
    })?;
    after("renamed", RENAME, 1, &|| moves(c"d/three", c"d/four"))?;
    after("gone and made", CREATE | DELETE, 2, &|| {
        moves(c"d/four", c"d/five")
    })?;
    after("moved out is no other name", RENAME, 0, &|| {
        moves(c"d/five", c"five")
    })?;
    after("but gone", DELETE, 1, &|| {
        moves(c"five", c"d/five")?;
        moves(c"d/five", c"five")
    })?;
    after("unlinked", DELETE, 1, &|| {
        call!(unlink(c"d/f".as_ptr()))?;
        Ok(())
    })?;
    t.same("asked", notify(fd, CREATE | AGAIN), Ok(0));
    sys::close(fd)?;
    file("d/six", b"")?;
    t.same("closed", told(signal), vec![]);
    Ok(())
}

fn parents(t: &mut Report) -> Outcome {
    let signal = SIGRTMIN() + 2;
    sys::block_signals(&[signal])?;
    let fds = [opened(".", O_RDONLY)?, opened("d", O_RDONLY)?];
    for fd in fds {
        yes!(t; "with details": fcntl(fd, F_SETSIG, signal););
        t.same("asked", notify(fd, ATTRIB | AGAIN), Ok(0));
    }
    yes!(t; "its mode": chmod(c"d".as_ptr(), 0o755););
    let mut all = told(signal);
    all.sort_unstable();
    t.same(
        "both hear of it",
        all,
        fds.map(|fd| (POLL_MSG, fd)).to_vec(),
    );
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    sys::block_signals(&[SIGIO])?;
    folder("d")?;
    file("d/f", b"abc")?;
    plain(t)?;
    events(t)?;
    parents(t)?;
    t.same(
        "where it is so",
        text("/proc/sys/fs/dir-notify-enable"),
        "1\n".to_owned(),
    );
    Ok(())
}
