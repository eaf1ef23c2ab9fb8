//! mlock(2), mlockall(2): how much is locked, who may, and what a child has.
use crate::cases::contracts::prelude::*;

fn locked() -> String {
    line_of("/proc/self/status", "VmLck:")
}

pub fn run(t: &mut Report) -> Outcome {
    let map = Map::memory(8 * PAGE)?;
    t.same("none", locked(), "0 kB".into());
    yes!(t; "a byte of each of two pages": mlock(map.address(PAGE - 1), 2););
    t.same("are two pages", locked(), "8 kB".into());
    yes!(t; "twice": mlock(map.address(0), PAGE););
    t.same("counts once", locked(), "8 kB".into());
    let it = smaps_of(map.start, "Locked:");
    t.same("is told of the mapping", it, Some("8 kB".into()));
    let end = sys::in_child(|| unless(locked() == "0 kB"));
    t.same("a child has none locked", end, Ok(End::Exited(0)));
    yes!(t; "the middle": munlock(map.address(PAGE), PAGE););
    t.same("one is left", locked(), "4 kB".into());
    yes!(t; "nothing": mlock(map.address(0), 0); "unlocked": munlock(map.address(0), 8 * PAGE););
    t.same("none is left", locked(), "0 kB".into());
    yes!(t; "all to come": mlockall(MCL_FUTURE););
    let later = Map::memory(2 * PAGE)?;
    t.same("is locked", locked(), "8 kB".into());
    drop(later);
    t.same("until it goes", locked(), "0 kB".into());
    yes!(t; "all": munlockall(););
    no!(t; "no flag": mlockall(0) => EINVAL; "an unknown one": mlockall(8) => EINVAL;
        "nothing there": mlock(null(), PAGE) => ENOMEM;);
    apart(t, |t| {
        let limit = rlimit {
            rlim_cur: 2 * PAGE as u64,
            rlim_max: 2 * PAGE as u64,
        };
        yes!(t; "a limit": setrlimit(RLIMIT_MEMLOCK, &raw const limit););
        yes!(t; "root has none": mlock(map.address(0), 4 * PAGE); "back": munlockall(););
        become_user(NOBODY, NOBODY)?;
        yes!(t; "up to it": mlock(map.address(0), 2 * PAGE););
        no!(t; "more": mlock(map.address(2 * PAGE), PAGE) => ENOMEM;
            "all": mlockall(MCL_CURRENT) => ENOMEM;);
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED;
        no!(t; "a locked mapping": mmap(null_mut(), PAGE, PROT_READ, flags, -1, 0) => EAGAIN;);
        let none = rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        yes!(t; "none at all": setrlimit(RLIMIT_MEMLOCK, &raw const none););
        no!(t; "then one may not": mlock(map.address(0), PAGE) => EPERM; "nor all": mlockall(MCL_FUTURE) => EPERM;
            "nor map": syscall(SYS_mmap, 0, PAGE, PROT_READ, flags, -1, 0usize) => EPERM;);
        yes!(t; "but unlock": munlock(map.address(0), PAGE););
        Ok(())
    })
}
