//! times(2), getrusage(2): time of children that were waited for.
use crate::cases::contracts::prelude::*;

/// Ticks: user, system, children's user, children's system.
fn ticks() -> Result<[i64; 4], Errno> {
    let mut found = [-1i64; 4];
    raw!(SYS_times, found.as_mut_ptr())?;
    Ok(found)
}

pub fn run(t: &mut Report) -> Outcome {
    t.refused("told nowhere", raw!(SYS_times, 8), EFAULT);
    t.check("told to nobody", raw!(SYS_times, 0).is_ok_and(|it| it > 0));
    t.same(
        "no children's",
        ticks().map(|it| [it[2], it[3]]),
        Ok([0, 0]),
    );
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let spent = || ticks().map_or(0, |it| it[0] + it[1]);
        while spent() < 5 {
            std::hint::spin_loop();
        }
        let _ = sys::write(writer, b"x");
        0
    })?;
    sys::read(reader, &mut [0])?;
    t.same(
        "not while it is not waited for",
        ticks().map(|it| it[2] + it[3]),
        Ok(0),
    );
    sys::wait(child)?;
    t.check("then", ticks().is_ok_and(|it| it[2] + it[3] >= 4));
    let mut usage = [0i64; 18];
    t.works(
        "its usage",
        raw!(SYS_getrusage, RUSAGE_CHILDREN, usage.as_mut_ptr()),
    );
    let micros = (usage[0] + usage[2]) * 1_000_000 + usage[1] + usage[3];
    t.check("as well", micros >= 30_000);
    t.check("how much memory it had", usage[4] > 0);
    t.works(
        "a thread's",
        raw!(SYS_getrusage, RUSAGE_THREAD, usage.as_mut_ptr()),
    );
    ignore(SIGCHLD)?;
    let before = ticks()?;
    let child = sys::fork(|| {
        while ticks().map_or(9, |it| it[0] + it[1]) < 3 {}
        0
    })?;
    t.refused("one that nobody waits for", sys::wait(child), ECHILD);
    t.same(
        "is not counted",
        ticks().map(|it| it[2..].to_vec()),
        Ok(before[2..].to_vec()),
    );
    Ok(())
}
