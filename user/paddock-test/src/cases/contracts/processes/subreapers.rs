//! prctl(2): PR_SET_CHILD_SUBREAPER.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let ask = || {
        let mut on = -1i32;
        raw!(SYS_prctl, PR_GET_CHILD_SUBREAPER, &raw mut on, 0, 0, 0).map(|_| on)
    };
    t.same("is none", ask(), Ok(0));
    t.works(
        "is one",
        raw!(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0),
    );
    t.same("is told", ask(), Ok(1));
    let child = sys::in_child(|| i32::from(ask() != Ok(0)))?;
    t.same("a child is none", child, End::Exited(0));
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    let [reader, writer] = sys::pipe()?;
    let middle = sys::fork(|| {
        let _ = sys::fork(|| {
            let parent = || call!(getppid());
            let moved = sys::until(|| parent() == Ok(own));
            let _ = sys::write(writer, &sys::tid().to_ne_bytes());
            if moved.is_ok() { 5 } else { 6 }
        });
        0
    })?;
    t.same("its parent ends", sys::wait(middle), Ok(End::Exited(0)));
    let mut number = [0; 4];
    sys::read(reader, &mut number)?;
    let orphan = i32::from_ne_bytes(number);
    t.same(
        "the orphan is this one's",
        sys::wait(orphan),
        Ok(End::Exited(5)),
    );
    t.works(
        "none again",
        raw!(SYS_prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0),
    );
    t.same("so it is told", ask(), Ok(0));
    Ok(())
}
