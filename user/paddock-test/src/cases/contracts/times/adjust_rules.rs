//! adjtimex(2), clock_adjtime(2): who may, and what is no value.
use crate::cases::contracts::prelude::*;

fn adjust(modes: u32, change: impl FnOnce(&mut timex)) -> Result<(i32, timex), Errno> {
    // SAFETY: plain numbers.
    let mut it: timex = unsafe { std::mem::zeroed() };
    it.modes = modes;
    change(&mut it);
    call!(adjtimex(&raw mut it)).map(|state| (state, it))
}

pub fn run(t: &mut Report) -> Outcome {
    const TICK: u32 = 0x4000;
    const SINGLE: u32 = 0x8001;
    const READ: u32 = 0xa001;
    let (state, it) = adjust(0, |_| ())?;
    t.check("a state", (0..=5).contains(&state));
    let ticks = 10_000;
    t.same("the tick", it.tick as i64, ticks);
    t.check("its parts", it.time.tv_usec >= 0);
    t.refused(
        "a tick too short",
        adjust(TICK, |it| it.tick = 8_999).map(drop),
        EINVAL,
    );
    t.refused(
        "too long",
        adjust(TICK, |it| it.tick = 11_001).map(drop),
        EINVAL,
    );
    t.works("the same", adjust(TICK, |it| it.tick = ticks as _));
    t.works("what is left to adjust", adjust(READ, |_| ()));
    t.refused("nowhere", raw!(SYS_adjtimex, 8), EFAULT);
    t.refused(
        "no clock",
        raw!(SYS_clock_adjtime, 99, &raw const it),
        EINVAL,
    );
    t.refused(
        "one that cannot be",
        raw!(SYS_clock_adjtime, CLOCK_MONOTONIC, &raw const it),
        EOPNOTSUPP,
    );
    t.refused(
        "to nowhere",
        raw!(SYS_clock_adjtime, CLOCK_REALTIME, 8),
        EFAULT,
    );
    as_nobody(t, |t| {
        t.works("nobody reads", adjust(0, |_| ()));
        t.works("what is left, too", adjust(READ, |_| ()));
        t.refused(
            "does not set",
            adjust(TICK, |it| it.tick = 10_000).map(drop),
            EPERM,
        );
        t.refused(
            "nor adjust",
            adjust(SINGLE, |it| it.offset = 1).map(drop),
            EPERM,
        );
        Ok(())
    })
}
