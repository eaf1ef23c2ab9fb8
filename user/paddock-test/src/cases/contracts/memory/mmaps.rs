//! mmap(2): what it refuses.
use crate::cases::contracts::prelude::*;

fn map(at: usize, length: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> Result<(), Errno> {
    raw!(SYS_mmap, at, length, prot, flags, fd, offset).map(|_| ())
}

pub fn run(t: &mut Report) -> Outcome {
    const ANON: i32 = MAP_PRIVATE | MAP_ANONYMOUS;
    const RW: i32 = PROT_READ | PROT_WRITE;
    const VALIDATE: i32 = 3;
    file("f", b"abc")?;
    let reading = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let writing = call!(open(c"f".as_ptr(), O_WRONLY))?;
    let [pipe, _] = sys::pipe()?;
    t.refused("no length", map(0, 0, RW, ANON, -1, 0), EINVAL);
    t.refused(
        "more than there is",
        map(0, usize::MAX, RW, ANON, -1, 0),
        ENOMEM,
    );
    t.refused(
        "neither shared nor private",
        map(0, 4096, RW, MAP_ANONYMOUS, -1, 0),
        EINVAL,
    );
    t.refused(
        "between two pages",
        map(0, 4096, PROT_READ, MAP_PRIVATE, reading, 1),
        EINVAL,
    );
    t.refused(
        "an odd fixed place",
        map(0x1000_0001, 4096, RW, ANON | MAP_FIXED, -1, 0),
        EINVAL,
    );
    t.refused(
        "a kernel's place",
        map(1 << 60, 4096, RW, ANON | MAP_FIXED, -1, 0),
        ENOMEM,
    );
    t.refused(
        "closed",
        map(0, 4096, PROT_READ, MAP_PRIVATE, 999, 0),
        EBADF,
    );
    t.refused(
        "a pipe",
        map(0, 4096, PROT_READ, MAP_PRIVATE, pipe, 0),
        ENODEV,
    );
    t.refused(
        "written and shared, open to read",
        map(0, 4096, RW, MAP_SHARED, reading, 0),
        EACCES,
    );
    t.refused(
        "open to write alone",
        map(0, 4096, PROT_WRITE, MAP_SHARED, writing, 0),
        EACCES,
    );
    t.works("private", map(0, 4096, RW, MAP_PRIVATE, reading, 0));
    t.refused(
        "too far in the file",
        map(0, 8192, PROT_READ, MAP_PRIVATE, reading, i64::MAX & !4095),
        EOVERFLOW,
    );
    t.refused(
        "a flag of the future",
        map(0, 4096, PROT_READ, VALIDATE | 0x200_0000, reading, 0),
        EOPNOTSUPP,
    );
    t.works(
        "which others ignore",
        map(0, 4096, PROT_READ, MAP_SHARED | 0x200_0000, reading, 0),
    );
    let there = Map::memory(8192)?;
    let at = there.start as usize;
    t.refused(
        "where something is",
        map(at, 4096, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0),
        EEXIST,
    );
    t.works("in its place", map(at, 4096, RW, ANON | MAP_FIXED, -1, 0));
    Ok(())
}
