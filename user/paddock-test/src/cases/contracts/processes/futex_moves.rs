//! futex(2): FUTEX_REQUEUE, FUTEX_CMP_REQUEUE and FUTEX_WAKE_OP.
use crate::cases::contracts::prelude::*;

const WAKE: i32 = 1;
const REQUEUE: i32 = 3;
const CMP_REQUEUE: i32 = 4;
const WAKE_OP: i32 = 5;

pub fn run(t: &mut Report) -> Outcome {
    let shared = Map::new(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    let (one, two) = (shared.start.addr(), shared.start.addr() + 64);
    let futex = |at: usize, what: i32, value: i64, many: i64, other: usize, last: i64| {
        raw!(SYS_futex, at, what, value, many, other, last)
    };
    let mut waiters = Vec::new();
    for _ in 0..4 {
        let child = sys::fork(|| unless(futex(one, 0, 0, 0, 0, 0) == Ok(0)))?;
        sys::until_asleep(child)?;
        waiters.push(child);
    }
    t.refused(
        "another value",
        futex(one, CMP_REQUEUE, 1, 1, two, 7),
        EAGAIN,
    );
    t.refused(
        "fewer than none",
        futex(one, CMP_REQUEUE, -1, 1, two, 0),
        EINVAL,
    );
    t.refused(
        "to be moved as well",
        futex(one, CMP_REQUEUE, 1, -1, two, 0),
        EINVAL,
    );
    t.refused(
        "between two words",
        futex(one, CMP_REQUEUE, 1, 1, two + 1, 0),
        EINVAL,
    );
    t.refused("nowhere", futex(one, CMP_REQUEUE, 1, 1, 8, 0), EFAULT);
    t.same(
        "one woken, one moved",
        futex(one, CMP_REQUEUE, 1, 1, two, 0),
        Ok(2),
    );
    t.same(
        "the moved one is there",
        futex(two, WAKE, 9, 0, 0, 0),
        Ok(1),
    );
    t.same("two are left", futex(one, REQUEUE, 0, 9, two, 0), Ok(2));
    t.same("none where they were", futex(one, WAKE, 9, 0, 0, 0), Ok(0));
    t.same("but there", futex(two, WAKE, 9, 0, 0, 0), Ok(2));
    for child in waiters {
        t.same("it is woken", sys::wait(child), Ok(End::Exited(0)));
    }
    let child = sys::fork(|| unless(futex(two, 0, 0, 0, 0, 0) == Ok(0)))?;
    sys::until_asleep(child)?;
    // Set the second word to 5, and wake its waiters if it was 0.
    let set_5_if_0 = 5 << 12;
    t.same(
        "WAKE_OP wakes by the second",
        futex(one, WAKE_OP, 1, 1, two, set_5_if_0),
        Ok(1),
    );
    t.same("woken", sys::wait(child), Ok(End::Exited(0)));
    t.same("and sets it", shared.read(64), 5);
    t.same(
        "then it was not 0",
        futex(one, WAKE_OP, 1, 1, two, set_5_if_0),
        Ok(0),
    );
    t.refused(
        "no operation",
        futex(one, WAKE_OP, 1, 1, two, 0x5000_0000),
        ENOSYS,
    );
    t.refused("no futex operation", futex(one, 99, 0, 0, 0, 0), ENOSYS);
    t.refused(
        "a word between two",
        futex(one + 2, WAKE, 1, 0, 0, 0),
        EINVAL,
    );
    Ok(())
}
