//! setrlimit(2): RLIMIT_FSIZE's signal, and how far is written.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let limit = |count: u64| {
        let wanted = [count, RLIM_INFINITY];
        raw!(SYS_prlimit64, 0, RLIMIT_FSIZE, wanted.as_ptr(), 0)
    };
    let end = sys::in_child(|| {
        // SAFETY: the handler is none.
        unsafe { signal(SIGXFSZ, SIG_DFL) };
        let _ = limit(10);
        let _ = sys::write(fd, &[b'a'; 8]);
        let _ = sys::write(fd, &[b'b'; 8]);
        let _ = sys::write(fd, b"c");
        0
    })?;
    t.same("its signal", end, End::Killed(SIGXFSZ));
    t.same("up to the limit", text("f"), "aaaaaaaabb".into());
    let end = sys::in_child(|| {
        let _ = ignore(SIGXFSZ);
        let _ = limit(10);
        let results = [
            sys::write(fd, b"c") == Err(Errno(EFBIG)),
            sys::write(fd, b"") == Ok(0),
            call!(pwrite(fd, b"xy".as_ptr().cast(), 2, 9)) == Ok(1),
            call!(ftruncate(fd, 11)) == Err(Errno(EFBIG)),
            call!(ftruncate(fd, 10)) == Ok(0),
            call!(fallocate(fd, 0, 0, 11)) == Err(Errno(EFBIG)),
            call!(truncate(c"f".as_ptr(), 11)) == Err(Errno(EFBIG)),
        ];
        results.iter().filter(|good| !**good).count() as i32
    })?;
    t.same("without it an error", end, End::Exited(0));
    t.same("as it was", text("f").len(), 10);
    let [reader, writer] = sys::pipe()?;
    let end = sys::in_child(|| {
        let _ = limit(0);
        i32::from(sys::write(writer, b"abc") != Ok(3))
    })?;
    t.same("a pipe has no such limit", end, End::Exited(0));
    t.same("and takes all", sys::read(reader, &mut [0; 8]), Ok(3));
    Ok(())
}
