//! getrusage(2): whose time and memory.
use crate::cases::contracts::prelude::*;

fn of(who: i32) -> Result<rusage, Errno> {
    // SAFETY: plain numbers.
    let mut used: rusage = unsafe { std::mem::zeroed() };
    raw!(SYS_getrusage, who, &raw mut used)?;
    Ok(used)
}

/// Microseconds of both kinds.
fn time_of(used: &rusage) -> i64 {
    let all = |it: timeval| it.tv_sec as i64 * 1_000_000 + it.tv_usec as i64;
    all(used.ru_utime) + all(used.ru_stime)
}

/// Works until so much time has been used.
fn burn(micros: i64) -> Result<(), Errno> {
    while time_of(&of(RUSAGE_SELF)?) < micros {
        std::hint::spin_loop();
    }
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    t.refused("nobody", of(2).map(|_| ()), EINVAL);
    t.refused("less", of(-2).map(|_| ()), EINVAL);
    t.refused("to nowhere", raw!(SYS_getrusage, RUSAGE_SELF, 8), EFAULT);
    let own = of(RUSAGE_SELF)?;
    t.check("memory", own.ru_maxrss > 0);
    let children = time_of(&of(RUSAGE_CHILDREN)?);
    let child = sys::fork(|| unless(burn(30_000).is_ok()))?;
    sys::until(|| line_of(&format!("/proc/{child}/status"), "State:").starts_with('Z'))?;
    t.same(
        "a child's is not counted",
        time_of(&of(RUSAGE_CHILDREN)?),
        children,
    );
    sys::wait(child)?;
    t.check(
        "until it is waited for",
        time_of(&of(RUSAGE_CHILDREN)?) >= children + 20_000,
    );
    let end = sys::in_child(|| {
        let grandchild = sys::in_child(|| unless(burn(30_000).is_ok()));
        unless(grandchild.is_ok() && of(RUSAGE_CHILDREN).is_ok_and(|it| time_of(&it) >= 20_000))
    });
    t.same("a grandchild's", end, Ok(End::Exited(0)));
    t.check(
        "is the child's",
        time_of(&of(RUSAGE_CHILDREN)?) >= children + 40_000,
    );
    burn(time_of(&own) + 30_000)?;
    let thread = std::thread::spawn(|| of(RUSAGE_THREAD).map(|it| time_of(&it)));
    let thread = thread.join().map_err(|_| "a thread".to_owned())??;
    t.check("a new thread's is its own", thread < 30_000);
    let before = of(RUSAGE_SELF)?;
    let map = Map::memory(64 * PAGE)?;
    call!(madvise(
        map.address(0).cast_mut(),
        map.length,
        MADV_NOHUGEPAGE
    ))?;
    (0..64).for_each(|page| map.write(page * PAGE, 1));
    let after = of(RUSAGE_SELF)?;
    t.check(
        "faults",
        after.ru_minflt as i64 - before.ru_minflt as i64 >= 64,
    );
    t.check(
        "the most memory never falls",
        after.ru_maxrss >= before.ru_maxrss,
    );
    Ok(())
}
