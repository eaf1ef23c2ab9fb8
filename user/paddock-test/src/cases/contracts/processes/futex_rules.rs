//! futex(2): its errors.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::AtomicU32;

static WORD: [AtomicU32; 2] = [const { AtomicU32::new(7) }; 2];

fn futex(
    at: usize,
    what: i32,
    value: u32,
    time: usize,
    other: usize,
    third: u32,
) -> Result<i64, Errno> {
    raw!(SYS_futex, at, what, value, time, other, third)
}

pub fn run(t: &mut Report) -> Outcome {
    let (at, other) = (WORD[0].as_ptr() as usize, WORD[1].as_ptr() as usize);
    let (soon, bad) = (time(0, 1000), time(0, -1));
    let (soon, bad) = (&raw const soon as usize, &raw const bad as usize);
    t.refused("another value", futex(at, FUTEX_WAIT, 8, 0, 0, 0), EAGAIN);
    t.refused("in time", futex(at, FUTEX_WAIT, 7, soon, 0, 0), ETIMEDOUT);
    t.refused("no time", futex(at, FUTEX_WAIT, 7, bad, 0, 0), EINVAL);
    t.refused(
        "an odd word",
        futex(at + 1, FUTEX_WAIT, 7, soon, 0, 0),
        EINVAL,
    );
    t.refused(
        "an odd word to wake",
        futex(at + 1, FUTEX_WAKE, 1, 0, 0, 0),
        EINVAL,
    );
    t.refused("nowhere", futex(8, FUTEX_WAIT, 7, soon, 0, 0), EFAULT);
    t.refused(
        "no bits to wait for",
        futex(at, FUTEX_WAIT_BITSET, 7, soon, 0, 0),
        EINVAL,
    );
    t.refused(
        "no bits to wake",
        futex(at, FUTEX_WAKE_BITSET, 1, 0, 0, 0),
        EINVAL,
    );
    t.refused("no such thing", futex(at, 99, 0, 0, 0, 0), ENOSYS);
    t.refused(
        "a clock to wake",
        futex(at, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0),
        ENOSYS,
    );
    t.same("nobody to wake", futex(at, FUTEX_WAKE, 1, 0, 0, 0), Ok(0));
    t.refused(
        "fewer than none",
        futex(at, FUTEX_REQUEUE, u32::MAX, 1, other, 0),
        EINVAL,
    );
    t.refused(
        "another value to move",
        futex(at, FUTEX_CMP_REQUEUE, 1, 1, other, 8),
        EAGAIN,
    );
    t.same(
        "nobody to move",
        futex(at, FUTEX_CMP_REQUEUE, 1, 1, other, 7),
        Ok(0),
    );
    t.refused(
        "no such change",
        futex(at, FUTEX_WAKE_OP, 1, 1, other, 0x6000_0000),
        ENOSYS,
    );
    t.same(
        "a change",
        futex(at, FUTEX_WAKE_OP, 1, 1, other, 1 << 28 | 2 << 12),
        Ok(0),
    );
    t.same(
        "is made",
        WORD[1].load(std::sync::atomic::Ordering::SeqCst),
        9,
    );
    robust_lists(t);
    Ok(())
}

fn robust_lists(t: &mut Report) {
    let mut size = 0usize;
    let mut head = 0usize;
    t.refused(
        "a robust list of another size",
        raw!(SYS_set_robust_list, 0, 23),
        EINVAL,
    );
    t.refused(
        "nobody's",
        raw!(
            SYS_get_robust_list,
            0x3fff_fff0,
            &raw mut head,
            &raw mut size
        ),
        ESRCH,
    );
    t.works(
        "its own",
        raw!(SYS_get_robust_list, 0, &raw mut head, &raw mut size),
    );
    t.same("of this size", size, 24);
}
