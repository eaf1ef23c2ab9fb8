//! mmap(2), MAP_GROWSDOWN: a mapping that grows where it is touched below.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let room = Map::memory(512 * PAGE)?;
    let top = room.start.addr() + 512 * PAGE;
    raw!(SYS_munmap, room.start, 512 * PAGE)?;
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN;
    let rights = PROT_READ | PROT_WRITE;
    let at = raw!(
        SYS_mmap,
        top - 2 * PAGE,
        2 * PAGE,
        rights,
        flags,
        -1,
        0usize
    )? as usize;
    t.same("where it was asked for", at, top - 2 * PAGE);
    let place = room.length - 3 * PAGE;
    t.same(
        "the page below",
        touching(&room, place, true),
        Ok(End::Exited(0)),
    );
    room.write(place, 7);
    t.same("is its own now", room.read(place), 7);
    room.write(place - 5 * PAGE, 8);
    let maps = text("/proc/self/maps");
    let from = format!("{:x}-", top - 8 * PAGE);
    t.check(
        "and all between",
        maps.lines().any(|line| line.starts_with(&from)),
    );
    t.same("zeros between", room.read(place - 2 * PAGE), 0);
    // A mapping so near that the gap of 256 pages would be less.
    let near = top - 8 * PAGE - 10 * PAGE;
    let fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    raw!(SYS_mmap, near, PAGE, rights, fixed, -1, 0usize)?;
    let below = room.length - 9 * PAGE;
    t.same(
        "not up to another",
        touching(&room, below, true),
        Ok(End::Killed(SIGSEGV)),
    );
    raw!(SYS_munmap, near, PAGE)?;
    t.same(
        "which is gone",
        touching(&room, below, true),
        Ok(End::Exited(0)),
    );
    Ok(())
}
