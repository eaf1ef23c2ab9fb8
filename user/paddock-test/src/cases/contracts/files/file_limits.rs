//! RLIMIT_FSIZE: what a write, a cut and fallocate(2) make of it (setrlimit(2)).
use crate::cases::contracts::prelude::*;

/// Where the file's bytes begin: so far, that the limit is none to what is written of the
/// contract itself.
const BASE: i64 = 1 << 32;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = opened("f", O_RDWR)?;
    yes!(t; "a file with a hole": lseek(fd, BASE, SEEK_SET););
    let limit = rlimit {
        rlim_cur: BASE as u64 + 1000,
        rlim_max: RLIM_INFINITY,
    };
    yes!(t; "a limit": setrlimit(RLIMIT_FSIZE, &raw const limit););
    noted(SIGXFSZ, 0)?;
    let bytes = [1u8; 1500];
    t.same("a write up to it", sys::write(fd, &bytes), Ok(1000));
    t.same("sends nothing", NOTED.load(Relaxed), 0);
    t.refused("one beyond", sys::write(fd, &bytes), EFBIG);
    t.same(
        "sends SIGXFSZ",
        (NOTED.load(Relaxed), LAST.load(Relaxed)),
        (1, SIGXFSZ),
    );
    no!(t; "ftruncate": ftruncate(fd, BASE + 1001) => EFBIG; "truncate": truncate(c"f".as_ptr(), BASE + 1001) => EFBIG;);
    t.same("send it too", NOTED.load(Relaxed), 3);
    no!(t; "fallocate": fallocate(fd, 0, BASE, 1001) => EFBIG;);
    t.same("sends it as well", NOTED.load(Relaxed), 4);
    t.same("all that is there", stat_of(fd)?.st_size, BASE + 1000);
    yes!(t; "within it": ftruncate(fd, BASE + 500); "a write there": pwrite(fd, bytes.as_ptr().cast(), 500, BASE + 500););
    ignore(SIGXFSZ)?;
    no!(t; "it is ignored": pwrite(fd, bytes.as_ptr().cast(), 1, BASE + 1000) => EFBIG;);
    let [_, writer] = sys::pipe()?;
    t.same(
        "a pipe has no such limit",
        sys::write(writer, &bytes),
        Ok(1500),
    );
    let end = sys::in_child(|| {
        // SAFETY: the default.
        unsafe { signal(SIGXFSZ, SIG_DFL) };
        i32::from(sys::write(fd, &bytes).is_ok())
    });
    t.same("else it kills", end, Ok(End::Killed(SIGXFSZ)));
    Ok(())
}
