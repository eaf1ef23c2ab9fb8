//! mincore(2) and mlock2(2): which pages are in memory.
use crate::cases::contracts::prelude::*;

fn pages(map: &Map) -> Result<Vec<u8>, Errno> {
    let mut all = vec![9u8; map.length / PAGE];
    raw!(SYS_mincore, map.start, map.length, all.as_mut_ptr())?;
    Ok(all.into_iter().map(|it| it & 1).collect())
}

pub fn run(t: &mut Report) -> Outcome {
    let map = Map::memory(4 * PAGE)?;
    t.works(
        "no large pages",
        call!(madvise(
            map.address(0).cast_mut(),
            map.length,
            MADV_NOHUGEPAGE
        )),
    );
    t.same("none yet", pages(&map), Ok(vec![0; 4]));
    map.write(PAGE, 1);
    t.same("one is touched", pages(&map), Ok(vec![0, 1, 0, 0]));
    yes!(t; "locked": mlock(map.address(2 * PAGE), 1););
    t.same("is there", pages(&map), Ok(vec![0, 1, 1, 0]));
    t.works("on fault", raw!(SYS_mlock2, map.start, map.length, 1));
    t.same("brings none", pages(&map), Ok(vec![0, 1, 1, 0]));
    map.read(0);
    t.same("a fault does", pages(&map), Ok(vec![1, 1, 1, 0]));
    yes!(t; "unlocked": munlock(map.address(0), map.length); "not needed": madvise(map.address(0).cast_mut(), map.length, MADV_DONTNEED););
    t.same("is gone", pages(&map), Ok(vec![0; 4]));
    let filled = Map::new(
        2 * PAGE,
        PROT_READ,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
        -1,
    )?;
    t.same("MAP_POPULATE", pages(&filled), Ok(vec![1; 2]));
    let locked = Map::new(
        2 * PAGE,
        PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED,
        -1,
    )?;
    t.same("MAP_LOCKED", pages(&locked), Ok(vec![1; 2]));
    let mut byte = 0u8;
    t.works("nothing", raw!(SYS_mincore, map.start, 0, &raw mut byte));
    t.refused(
        "too long",
        raw!(SYS_mincore, map.start, usize::MAX / 2, &raw mut byte),
        ENOMEM,
    );
    Ok(())
}
