//! prctl(2): PR_SET_PDEATHSIG.
use crate::cases::contracts::prelude::*;

fn set(signal: i32) -> Result<i64, Errno> {
    raw!(SYS_prctl, PR_SET_PDEATHSIG, signal, 0, 0, 0)
}

fn get() -> Result<i32, Errno> {
    let mut signal = -1i32;
    raw!(SYS_prctl, PR_GET_PDEATHSIG, &raw mut signal, 0, 0, 0)?;
    Ok(signal)
}

pub fn run(t: &mut Report) -> Outcome {
    t.same("none", get(), Ok(0));
    t.works("one", set(SIGUSR1));
    t.same("is kept", get(), Ok(SIGUSR1));
    let child = sys::in_child(|| i32::from(get() != Ok(0)))?;
    t.same("not by a child", child, End::Exited(0));
    t.works("none again", set(0));
    let nowhere = raw!(SYS_prctl, PR_GET_PDEATHSIG, 8, 0, 0, 0);
    t.refused("told nowhere", nowhere, EFAULT);
    t.refused("a negative one", set(-1), EINVAL);
    // The end of the child's own pipe tells when its child has ended.
    let [reader, writer] = sys::pipe()?;
    let [ready_reader, ready_writer] = sys::pipe()?;
    let middle = sys::fork(|| {
        let last = sys::fork(|| {
            let _ = sys::close(reader);
            let _ = set(SIGKILL);
            let _ = sys::write(ready_writer, b"x");
            sys::sleep_ms(60_000);
            0
        });
        let _ = last;
        let _ = sys::read(ready_reader, &mut [0]);
        0
    })?;
    sys::close(writer)?;
    t.same("its parent ends", sys::wait(middle), Ok(End::Exited(0)));
    t.same("and so does it", sys::read(reader, &mut [0]), Ok(0));
    apart(t, |t| {
        t.works("once more", set(SIGUSR1));
        become_nobody()?;
        t.same("gone with the user", get(), Ok(0));
        Ok(())
    })
}
