//! signal(7): what a handler interrupts, and what goes on.
use crate::cases::contracts::prelude::*;

extern "C" fn nothing(_: i32) {}

fn handler(flags: i32) -> Result<i32, Errno> {
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
    action.sa_flags = flags;
    call!(sigaction(SIGALRM, &raw const action, null_mut()))
}

/// What comes of a call that waits when the signal comes every 20 ms.
fn with(flags: i32, body: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    handler(flags)?;
    let often = [0i64, 20_000, 0, 20_000];
    raw!(SYS_setitimer, 0, often.as_ptr(), 0)?;
    let result = body();
    let never = [0i64; 4];
    raw!(SYS_setitimer, 0, never.as_ptr(), 0)?;
    result
}

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let mut byte = [0];
    t.refused(
        "read",
        with(0, || sys::read(reader, &mut byte).map(|_| ())),
        EINTR,
    );
    let mut entry = pollfd {
        fd: reader,
        events: POLLIN,
        revents: 0,
    };
    t.refused(
        "poll, whatever is asked for",
        with(SA_RESTART, || {
            call!(poll(&raw mut entry, 1, 60_000)).map(|_| ())
        }),
        EINTR,
    );
    t.refused(
        "pause",
        with(SA_RESTART, || call!(pause()).map(|_| ())),
        EINTR,
    );
    let long = time(60, 0);
    t.refused(
        "nanosleep",
        with(SA_RESTART, || {
            call!(nanosleep(&raw const long, null_mut())).map(|_| ())
        }),
        EINTR,
    );
    let none = sys::signal_set(&[]);
    t.refused(
        "sigsuspend",
        with(SA_RESTART, || {
            call!(sigsuspend(&raw const none)).map(|_| ())
        }),
        EINTR,
    );
    let child = sys::fork(|| {
        sys::sleep_ms(200);
        i32::from(sys::write(writer, b"x") != Ok(1))
    })?;
    t.works(
        "read goes on",
        with(SA_RESTART, || sys::read(reader, &mut byte).map(|_| ())),
    );
    t.same("the child", sys::wait(child), Ok(End::Exited(0)));
    let child = sys::fork(|| {
        sys::sleep_ms(200);
        3
    })?;
    let mut end = Ok(End::Continued);
    t.works(
        "wait goes on",
        with(SA_RESTART, || {
            end = sys::wait(child);
            Ok(())
        }),
    );
    t.same("to the end", end, Ok(End::Exited(3)));
    Ok(())
}
