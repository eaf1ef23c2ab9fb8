//! fork(2): what a child has of its parent's, and what not.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = opened("f", O_RDONLY)?;
    noted(SIGUSR1, 0)?;
    ignore(SIGUSR2)?;
    sys::block_signals(&[SIGTERM])?;
    sys::kill(own_pid(), SIGTERM)?;
    // SAFETY: have no conditions.
    unsafe { umask(0o135) };
    call!(setpriority(PRIO_PROCESS as _, 0, 3))?;
    let limit = rlimit {
        rlim_cur: 123,
        rlim_max: 321,
    };
    call!(setrlimit(RLIMIT_NOFILE, &raw const limit))?;
    let parent = own_pid();
    // SAFETY: take nothing.
    let (group, session) = unsafe { (getpgrp(), getsid(0)) };
    apart(t, |t| {
        let own = own_pid();
        t.check("a number of its own", own != parent);
        // SAFETY: take nothing.
        let found = unsafe { (getppid(), getpgrp(), getsid(0)) };
        t.same(
            "its parent, group and session",
            found,
            (parent, group, session),
        );
        let field =
            |name: &str| u64::from_str_radix(&line_of("/proc/self/status", name), 16).unwrap_or(9);
        let bit = |signal: i32| 1u64 << (signal - 1);
        t.same("nothing is pending", field("SigPnd:") | field("ShdPnd:"), 0);
        t.same("blocked", field("SigBlk:") & bit(SIGTERM), bit(SIGTERM));
        t.same("ignored", field("SigIgn:") & bit(SIGUSR2), bit(SIGUSR2));
        sys::kill(own, SIGUSR1)?;
        t.same("handled", NOTED.load(Relaxed), 1);
        // SAFETY: has no conditions.
        t.same("the umask", unsafe { umask(0) }, 0o135);
        t.same("how nice", call!(getpriority(PRIO_PROCESS as _, 0)), Ok(3));
        let mut found = rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        yes!(t; "limits": getrlimit(RLIMIT_NOFILE, &raw mut found););
        t.same("as they were", (found.rlim_cur, found.rlim_max), (123, 321));
        // SAFETY: plain numbers.
        let mut used: rusage = unsafe { std::mem::zeroed() };
        yes!(t; "children's time": getrusage(RUSAGE_CHILDREN, &raw mut used););
        t.same(
            "is none",
            (used.ru_utime.tv_sec, used.ru_stime.tv_sec),
            (0, 0),
        );
        t.same("it reads on", sys::read(fd, &mut [0; 4]), Ok(4));
        Ok(())
    })?;
    t.same("as its parent does", sys::read(fd, &mut [0; 4]), Ok(2));
    t.same("its handler's count is its own", NOTED.load(Relaxed), 0);
    let set = sys::signal_set(&[SIGTERM]);
    let now = time(0, 0);
    t.same(
        "the parent's is pending",
        call!(sigtimedwait(&raw const set, null_mut(), &raw const now)),
        Ok(SIGTERM),
    );
    Ok(())
}
