//! fcntl(2), F_SETPIPE_SZ: which sizes, and who may have them.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let set = |size: i64| call!(fcntl(reader, F_SETPIPE_SZ, size));
    let get = || call!(fcntl(writer, F_GETPIPE_SZ));
    t.same("at first", get(), Ok(65_536));
    t.same("a page", set(1), Ok(4096));
    t.same("is told at the other end", get(), Ok(4096));
    t.same("none is a page", set(0), Ok(4096));
    t.same("a power of two", set(5000), Ok(8192));
    t.same("of pages", set(3 * 4096), Ok(16_384));
    t.refused("too large a number", set(1 << 31 | 1), EINVAL);
    t.refused("a negative one", set(-1), EINVAL);
    sys::write_all(writer, &[1; 9000])?;
    t.refused("smaller than what is in it", set(8192), EBUSY);
    t.same("enough for it", set(9000), Ok(16_384));
    t.same(
        "nothing is lost",
        sys::read(reader, &mut [0; 10_000]),
        Ok(9000),
    );
    t.same("empty", set(4096), Ok(4096));
    let most: i64 = text("/proc/sys/fs/pipe-max-size")
        .trim()
        .parse()
        .unwrap_or(0);
    t.check("a limit", most >= 4096);
    t.same("up to it", set(most), Ok(most as i32));
    as_nobody(t, |t| {
        let [reader, _] = sys::pipe()?;
        let set = |size: i64| call!(fcntl(reader, F_SETPIPE_SZ, size));
        t.refused("others may not", set(most + 1), EPERM);
        t.same("that much", set(most), Ok(most as i32));
        t.same("less", set(4096), Ok(4096));
        Ok(())
    })?;
    let null = opened("/dev/null", O_RDWR)?;
    no!(t; "no pipe": fcntl(null, F_GETPIPE_SZ) => EBADF; "to be set": fcntl(null, F_SETPIPE_SZ, 4096) => EBADF;);
    call!(mkfifo(c"fifo".as_ptr(), 0o600))?;
    let fifo = opened("fifo", O_RDWR)?;
    t.same(
        "a fifo is one",
        call!(fcntl(fifo, F_SETPIPE_SZ, 8192)),
        Ok(8192),
    );
    Ok(())
}
