//! exit_group(2), _exit(2): statuses, threads, and children that are left.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let leave = |status: i32| sys::in_child(|| raw!(SYS_exit_group, status).map_or(1, |_| 1));
    t.same("zero", leave(0), Ok(End::Exited(0)));
    t.same("eight bits", leave(0x1234), Ok(End::Exited(0x34)));
    t.same("a negative one", leave(-1), Ok(End::Exited(255)));
    let end = sys::in_child(|| {
        let waits = std::thread::spawn(|| sys::sleep_ms(60_000));
        let ends = std::thread::spawn(|| raw!(SYS_exit_group, 5).is_ok());
        let _ = (waits.join(), ends.join());
        1
    });
    t.same("any thread ends all", end, Ok(End::Exited(5)));
    apart(t, |t| {
        yes!(t; "it adopts": prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0););
        let [reader, writer] = sys::pipe()?;
        let child = sys::fork(|| {
            let own = own_pid();
            let orphan = sys::fork(|| {
                // SAFETY: takes nothing.
                let adopted = sys::until(|| unsafe { getppid() } != own);
                unless(adopted.is_ok() && sys::write(writer, b"x").is_ok())
            });
            i32::from(orphan.is_err())
        })?;
        t.same("its maker ends", sys::wait(child), Ok(End::Exited(0)));
        t.same("the orphan has another", sys::read(reader, &mut [0]), Ok(1));
        t.same("who can wait", sys::wait(-1), Ok(End::Exited(0)));
        Ok(())
    })
}
