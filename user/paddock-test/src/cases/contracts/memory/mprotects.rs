//! mprotect(2), munmap(2), msync(2), mincore(2), mlock(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let fd = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let hole = Map::memory(3 * 4096)?;
    let at = hole.start as usize;
    raw!(SYS_munmap, at + 4096, 4096)?;
    t.refused(
        "an odd address",
        raw!(SYS_mprotect, at + 1, 4096, PROT_READ),
        EINVAL,
    );
    t.refused(
        "a hole",
        raw!(SYS_mprotect, at, 3 * 4096, PROT_READ),
        ENOMEM,
    );
    t.same("nothing", raw!(SYS_mprotect, at, 0, PROT_READ), Ok(0));
    t.refused(
        "both ways of growing",
        raw!(SYS_mprotect, at, 4096, PROT_READ | 0x0300_0000),
        EINVAL,
    );
    let shared = Map::new(4096, PROT_READ, MAP_SHARED, fd)?;
    t.refused(
        "a file that is read",
        raw!(SYS_mprotect, shared.start, 4096, PROT_WRITE),
        EACCES,
    );
    t.refused("munmap of nothing", raw!(SYS_munmap, at, 0), EINVAL);
    t.refused("of an odd address", raw!(SYS_munmap, at + 1, 4096), EINVAL);
    t.same("of a hole", raw!(SYS_munmap, at + 4096, 4096), Ok(0));
    t.refused(
        "both ways of msync",
        raw!(SYS_msync, at, 4096, MS_SYNC | MS_ASYNC),
        EINVAL,
    );
    t.refused("an unknown one", raw!(SYS_msync, at, 4096, 8), EINVAL);
    t.refused(
        "msync of a hole",
        raw!(SYS_msync, at, 3 * 4096, MS_SYNC),
        ENOMEM,
    );
    t.refused(
        "of an odd one",
        raw!(SYS_msync, at + 1, 4096, MS_SYNC),
        EINVAL,
    );
    t.same("of memory", raw!(SYS_msync, at, 4096, MS_SYNC), Ok(0));
    let mut pages = [0u8; 4];
    let to = pages.as_mut_ptr();
    t.refused(
        "mincore of a hole",
        raw!(SYS_mincore, at, 3 * 4096, to),
        ENOMEM,
    );
    t.refused(
        "of an odd page",
        raw!(SYS_mincore, at + 1, 4096, to),
        EINVAL,
    );
    t.refused("to nowhere", raw!(SYS_mincore, at, 4096, 8), EFAULT);
    t.refused("mlock of a hole", raw!(SYS_mlock, at, 3 * 4096), ENOMEM);
    t.refused("mlock2's flag", raw!(SYS_mlock2, at, 4096, 2), EINVAL);
    t.refused("mlockall of nothing", raw!(SYS_mlockall, 0), EINVAL);
    t.refused("on fault of nothing", raw!(SYS_mlockall, 4), EINVAL);
    t.refused("munlock of a hole", raw!(SYS_munlock, at, 3 * 4096), ENOMEM);
    Ok(())
}
