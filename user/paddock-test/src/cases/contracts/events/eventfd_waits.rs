//! eventfd(2): who waits, who wakes, and what fdinfo says.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let fd = call!(eventfd(0, 0))?;
    let put = |count: u64| sys::write(fd, &count.to_le_bytes());
    let get = || {
        let mut bytes = [0; 8];
        sys::read(fd, &mut bytes).map(|_| u64::from_le_bytes(bytes))
    };
    let child = sys::fork(|| unless(get() == Ok(5)))?;
    sys::until_asleep(child)?;
    t.works("written", put(5));
    t.same("who waits has it", sys::wait(child), Ok(End::Exited(0)));
    t.works("nearly full", put(u64::MAX - 1));
    t.same("nothing fits", ready(fd, POLLIN | POLLOUT), Ok(POLLIN));
    let child = sys::fork(|| unless(put(7) == Ok(8)))?;
    sys::until_asleep(child)?;
    t.same("all at once", get(), Ok(u64::MAX - 1));
    t.same(
        "who waits to write goes on",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    let info = |name: &str| line_of(&format!("/proc/self/fdinfo/{fd}"), name);
    t.same("its count, in base 16", info("eventfd-count:"), "7".into());
    t.same("what is left", get(), Ok(7));
    let child = sys::fork(|| {
        let caught = noted(SIGUSR1, 0).is_ok();
        unless(caught && get() == Err(Errno(EINTR)))
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    t.same("a signal ends a wait", sys::wait(child), Ok(End::Exited(0)));
    let flags = call!(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK))?;
    t.same("EFD_CLOEXEC", call!(fcntl(flags, F_GETFD)), Ok(FD_CLOEXEC));
    t.same(
        "EFD_NONBLOCK",
        call!(fcntl(flags, F_GETFL)).map(|it| it & (O_NONBLOCK | O_ACCMODE)),
        Ok(O_NONBLOCK | O_RDWR),
    );
    let link =
        std::fs::read_link(format!("/proc/self/fd/{fd}")).map_err(|error| error.to_string())?;
    t.same(
        "its name",
        link.to_string_lossy().into_owned(),
        "anon_inode:[eventfd]".into(),
    );
    no!(t; "to nowhere": read(fd, 8 as *mut c_void, 4) => EINVAL; "a place": pread(fd, null_mut(), 8, 0) => ESPIPE;);
    Ok(())
}
