//! futex(2): FUTEX_WAIT's value and time, FUTEX_WAIT_BITSET's masks.
use crate::cases::contracts::prelude::*;

const WAIT: i32 = 0;
const WAKE: i32 = 1;
const WAIT_BITSET: i32 = 9;
const WAKE_BITSET: i32 = 10;
const REALTIME: i32 = 256;

pub fn run(t: &mut Report) -> Outcome {
    let shared = Map::new(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    let at = shared.start.addr();
    let wait = |what: i32, value: u32, time: *const timespec, mask: u32| {
        raw!(SYS_futex, at, what, value, time, 0, mask)
    };
    let wake = |what: i32, count: i32, mask: u32| raw!(SYS_futex, at, what, count, 0, 0, mask);
    let (short, past) = (time(0, 1_000_000), time(1, 0));
    t.refused("another value", wait(WAIT, 1, null(), 0), EAGAIN);
    t.refused(
        "a short time",
        wait(WAIT, 0, &raw const short, 0),
        ETIMEDOUT,
    );
    t.refused(
        "long ago",
        wait(WAIT_BITSET, 0, &raw const past, 1),
        ETIMEDOUT,
    );
    t.refused(
        "by the wall clock",
        wait(WAIT_BITSET | REALTIME, 0, &raw const past, 1),
        ETIMEDOUT,
    );
    for bad in [time(0, 1_000_000_000), time(0, -1), time(-1, 0)] {
        t.refused("no time", wait(WAIT, 0, &raw const bad, 0), EINVAL);
    }
    t.refused(
        "a time nowhere",
        wait(WAIT, 0, 8 as *const timespec, 0),
        EFAULT,
    );
    t.refused("no mask", wait(WAIT_BITSET, 0, null(), 0), EINVAL);
    t.refused("no mask to wake", wake(WAKE_BITSET, 1, 0), EINVAL);
    t.refused(
        "a word nowhere",
        raw!(SYS_futex, 8, WAIT, 0, 0, 0, 0),
        EFAULT,
    );
    let odd = child_with(|| wait(WAIT_BITSET, 0, null(), 1))?;
    let even = child_with(|| wait(WAIT_BITSET, 0, null(), 2))?;
    let all = child_with(|| wait(WAIT, 0, null(), 0))?;
    t.same("nobody's bit", wake(WAKE_BITSET, 9, 1 << 30), Ok(1));
    t.same(
        "who waits for any is woken",
        sys::wait(all),
        Ok(End::Exited(0)),
    );
    t.same("one's bit", wake(WAKE_BITSET, 9, 2), Ok(1));
    t.same("it alone", sys::wait(even), Ok(End::Exited(0)));
    t.same("any bit", wake(WAKE, 9, 0), Ok(1));
    t.same("the last", sys::wait(odd), Ok(End::Exited(0)));
    let child = sys::fork(|| {
        let caught = noted(SIGUSR1, 0).is_ok();
        unless(caught && wait(WAIT, 0, null(), 0) == Err(Errno(EINTR)))
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    t.same("a signal ends a wait", sys::wait(child), Ok(End::Exited(0)));
    file("f", &[0; 8])?;
    let (first, second) = (of_file()?, of_file()?);
    let child = child_with(|| raw!(SYS_futex, first.start, WAIT, 0, 0, 0, 0))?;
    t.same(
        "two mappings of a file are one",
        raw!(SYS_futex, second.start, WAKE, 1, 0, 0, 0),
        Ok(1),
    );
    t.same("in a child", sys::wait(child), Ok(End::Exited(0)));
    Ok(())
}

fn of_file() -> Result<Map, Errno> {
    Map::new(
        PAGE,
        PROT_READ | PROT_WRITE,
        MAP_SHARED,
        opened("f", O_RDWR)?,
    )
}

/// A child in a call that is to end well.
fn child_with(call: impl Fn() -> Result<i64, Errno>) -> Result<i32, Errno> {
    let child = sys::fork(|| unless(call() == Ok(0)))?;
    sys::until_asleep(child)?;
    Ok(child)
}
