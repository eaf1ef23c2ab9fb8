//! mremap(2) and madvise(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const MAYMOVE: i32 = 1;
    const FIXED: i32 = 2;
    const DONTUNMAP: i32 = 4;
    let map = Map::memory(4 * 4096)?;
    let at = map.start as usize;
    let moved = |from: usize, old: usize, new: usize, flags: i32, to: usize| {
        raw!(SYS_mremap, from, old, new, flags, to).map(|it| it as usize)
    };
    t.refused("an odd address", moved(at + 1, 4096, 4096, 0, 0), EINVAL);
    t.refused("to nothing", moved(at, 4096, 0, 0, 0), EINVAL);
    t.refused("a flag", moved(at, 4096, 8192, 8, 0), EINVAL);
    t.refused(
        "fixed and not to move",
        moved(at, 4096, 4096, FIXED, at),
        EINVAL,
    );
    t.refused(
        "onto itself",
        moved(at, 8192, 8192, FIXED | MAYMOVE, at + 4096),
        EINVAL,
    );
    t.refused(
        "kept and longer",
        moved(at, 4096, 8192, MAYMOVE | DONTUNMAP, 0),
        EINVAL,
    );
    t.refused(
        "kept and not to move",
        moved(at, 4096, 4096, DONTUNMAP, 0),
        EINVAL,
    );
    t.refused(
        "private of no length",
        moved(at, 0, 4096, MAYMOVE, 0),
        EINVAL,
    );
    t.refused("no room to grow", moved(at, 4096, 8192, 0, 0), ENOMEM);
    t.same("shorter", moved(at, 4 * 4096, 2 * 4096, 0, 0), Ok(at));
    t.refused(
        "over a hole",
        moved(at, 3 * 4096, 4 * 4096, MAYMOVE, 0),
        EFAULT,
    );
    t.refused(
        "nothing there",
        moved(at + 3 * 4096, 4096, 8192, MAYMOVE, 0),
        EFAULT,
    );
    let advise = |from: usize, length: usize, advice: i32| raw!(SYS_madvise, from, length, advice);
    t.refused("no such advice", advise(at, 4096, 999), EINVAL);
    t.refused("at an odd address", advise(at + 1, 4096, 4), EINVAL);
    t.refused("of a hole", advise(at, 3 * 4096, 4), ENOMEM);
    t.same("of nothing", advise(at, 0, 4), Ok(0));
    map.write(0, 5);
    t.same("not needed", advise(at, 4096, MADV_DONTNEED), Ok(0));
    t.same("is zero", map.read(0), 0);
    Ok(())
}
