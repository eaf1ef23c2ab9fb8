//! prctl(2), PR_SET_TIMERSLACK: its default is the parent's.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let get = || raw!(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
    let set = |value: usize| raw!(SYS_prctl, PR_SET_TIMERSLACK, value, 0, 0, 0);
    t.works("a longer one", set(70_000));
    t.same(
        "in /proc",
        text("/proc/self/timerslack_ns"),
        "70000\n".into(),
    );
    apart(t, |t| {
        t.same("inherited", get(), Ok(70_000));
        t.works("another", set(9));
        t.same("its own", get(), Ok(9));
        t.works("none", set(0));
        t.same("is its parent's", get(), Ok(70_000));
        Ok(())
    })?;
    let written = std::fs::write("/proc/self/timerslack_ns", "1234").is_ok();
    t.check("written", written);
    t.same("is told", get(), Ok(1234));
    let other = std::thread::spawn(move || (get(), set(5), get()));
    let found = other.join().map_err(|_| "a thread ended")?;
    t.same("a thread's", found, (Ok(1234), Ok(0), Ok(5)));
    t.same("is its own", get(), Ok(1234));
    Ok(())
}
