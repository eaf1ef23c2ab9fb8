//! madvise(2): which advice, for which memory.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'f'; PAGE])?;
    let map = Map::memory(4 * PAGE)?;
    let at = map.start.addr();
    let advise =
        |at: usize, length: usize, advice: i32| raw!(SYS_madvise, at, length, advice).map(drop);
    for (what, advice) in [
        ("MADV_NORMAL", MADV_NORMAL),
        ("MADV_RANDOM", MADV_RANDOM),
        ("MADV_SEQUENTIAL", MADV_SEQUENTIAL),
        ("MADV_WILLNEED", MADV_WILLNEED),
        ("MADV_DONTNEED", MADV_DONTNEED),
        ("MADV_DONTFORK", MADV_DONTFORK),
        ("MADV_DOFORK", MADV_DOFORK),
        ("MADV_DONTDUMP", MADV_DONTDUMP),
        ("MADV_DODUMP", MADV_DODUMP),
        ("MADV_WIPEONFORK", 18),
        ("MADV_KEEPONFORK", 19),
        ("MADV_COLD", 20),
        ("MADV_PAGEOUT", 21),
        ("MADV_FREE", MADV_FREE),
    ] {
        t.works(what, advise(at, 4 * PAGE, advice));
    }
    t.refused("none", advise(at, PAGE, 1212), EINVAL);
    t.refused("a negative one", advise(at, PAGE, -1), EINVAL);
    t.refused(
        "between two pages",
        advise(at + 1, PAGE, MADV_NORMAL),
        EINVAL,
    );
    t.refused("a wrap", advise(at, usize::MAX - PAGE, MADV_NORMAL), EINVAL);
    t.refused(
        "a length that rounds to none",
        advise(at, usize::MAX, MADV_NORMAL),
        EINVAL,
    );
    t.works("none of it", advise(at, 0, MADV_NORMAL));
    t.refused("unknown, of none of it", advise(at, 0, 1212), EINVAL);
    raw!(SYS_munmap, at + PAGE, PAGE)?;
    map.write(2 * PAGE, 7);
    t.refused("a gap", advise(at, 4 * PAGE, MADV_DONTNEED), ENOMEM);
    t.same("the rest is done", map.read(2 * PAGE), 0);
    t.refused(
        "the gap alone",
        advise(at + PAGE, PAGE, MADV_WILLNEED),
        ENOMEM,
    );
    yes!(t; "locked": mlock(map.address(2 * PAGE), PAGE););
    t.refused(
        "locked is not let go",
        advise(at + 2 * PAGE, PAGE, MADV_DONTNEED),
        EINVAL,
    );
    t.works("but told of", advise(at + 2 * PAGE, PAGE, MADV_WILLNEED));
    let (read, write) = (22, 23);
    t.works("brought in", advise(at + 3 * PAGE, PAGE, write));
    t.refused("with a gap", advise(at, 2 * PAGE, read), ENOMEM);
    let reading = Map::new(PAGE, PROT_READ, MAP_SHARED, opened("f", O_RDONLY)?)?;
    t.works("of a file", advise(reading.start.addr(), PAGE, read));
    t.refused(
        "not to be written",
        advise(reading.start.addr(), PAGE, write),
        EINVAL,
    );
    Ok(())
}
