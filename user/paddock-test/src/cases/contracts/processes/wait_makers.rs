//! wait4(2), waitid(2): __WNOTHREAD, children of the calling thread alone.
use crate::cases::contracts::prelude::*;

const NO_THREAD: i32 = 0x2000_0000;

/// What another thread has of a call.
fn elsewhere<T: Send>(body: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| scope.spawn(body).join().ok())
}

pub fn run(t: &mut Report) -> Outcome {
    let own = sys::fork(|| 3)?;
    let others = elsewhere(|| sys::wait_with(own, NO_THREAD));
    t.same("another thread's", others, Some(Err(Errno(ECHILD))));
    let any = elsewhere(|| sys::wait_with(-1, NO_THREAD | WNOHANG));
    t.same("nor any", any, Some(Err(Errno(ECHILD))));
    t.same(
        "one's own",
        sys::wait_with(own, NO_THREAD),
        Ok((own, End::Exited(3))),
    );
    let made = elsewhere(|| {
        let child = sys::fork(|| 4)?;
        let found = sys::wait_with(child, NO_THREAD)?;
        Ok::<_, Errno>(found == (child, End::Exited(4)))
    });
    t.same("of a thread that is not the first", made, Some(Ok(true)));
    let left = elsewhere(|| sys::fork(|| 5)).unwrap_or(Err(Errno(ESRCH)))?;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    sys::until(|| threads() == 1)?;
    t.same(
        "of one that has ended it is the first one's",
        sys::wait_with(left, NO_THREAD),
        Ok((left, End::Exited(5))),
    );
    let mut info = [0i32; 32];
    let child = sys::fork(|| 6)?;
    let mut by_id = |flags: i32| {
        raw!(
            SYS_waitid,
            P_PID,
            child,
            info.as_mut_ptr(),
            WEXITED | flags,
            0usize
        )
    };
    let others = elsewhere(|| by_id(NO_THREAD).err());
    t.same("waitid likewise", others, Some(Some(Errno(ECHILD))));
    t.works("and one's own", by_id(NO_THREAD));
    Ok(())
}
