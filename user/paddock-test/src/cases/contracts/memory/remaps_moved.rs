//! mremap(2): content goes along; fixed places, old length 0.
use crate::cases::contracts::prelude::*;

fn remap(at: usize, old: usize, new: usize, flags: i32, to: usize) -> Result<usize, Errno> {
    raw!(SYS_mremap, at, old, new, flags, to).map(|at| at as usize)
}

fn byte(at: usize) -> u8 {
    let at: *const u8 = std::ptr::with_exposed_provenance(at);
    // SAFETY: mapped by the caller.
    unsafe { at.read_volatile() }
}

/// A new mapping that is not taken back, with a number in each page.
fn pages(count: usize, flags: i32) -> Result<usize, Errno> {
    let map = Map::new(
        count * PAGE,
        PROT_READ | PROT_WRITE,
        flags | MAP_ANONYMOUS,
        -1,
    )?;
    (0..count).for_each(|page| map.write(page * PAGE, page as u8 + 1));
    let at = map.start.expose_provenance();
    std::mem::forget(map);
    Ok(at)
}

pub fn run(t: &mut Report) -> Outcome {
    let at = pages(4, MAP_PRIVATE)?;
    t.same("shorter", remap(at, 4 * PAGE, 2 * PAGE, 0, 0), Ok(at));
    t.refused(
        "its rest is gone",
        raw!(SYS_msync, at + 2 * PAGE, PAGE, MS_ASYNC),
        ENOMEM,
    );
    t.same(
        "longer, into the gap",
        remap(at, 2 * PAGE, 4 * PAGE, 0, 0),
        Ok(at),
    );
    t.same("with zeros", (byte(at + PAGE), byte(at + 3 * PAGE)), (2, 0));
    let blocked = pages(3, MAP_PRIVATE)?;
    t.refused("no room", remap(blocked, PAGE, 2 * PAGE, 0, 0), ENOMEM);
    let moved = remap(blocked, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0)?;
    t.check("it may move", moved != blocked);
    t.same(
        "with its content",
        (byte(moved), byte(moved + PAGE)),
        (1, 0),
    );
    let target = pages(3, MAP_PRIVATE)?;
    let both = MREMAP_MAYMOVE | MREMAP_FIXED;
    t.same(
        "to a place",
        remap(moved, PAGE, PAGE, both, target + PAGE),
        Ok(target + PAGE),
    );
    t.same(
        "in place of what was there",
        (byte(target), byte(target + PAGE), byte(target + 2 * PAGE)),
        (1, 1, 3),
    );
    t.refused(
        "between two pages",
        remap(target, PAGE, PAGE, both, target + 1),
        EINVAL,
    );
    t.refused(
        "over itself",
        remap(target, 2 * PAGE, 2 * PAGE, both, target + PAGE),
        EINVAL,
    );
    t.refused(
        "fixed, but not to be moved",
        remap(target, PAGE, PAGE, MREMAP_FIXED, at),
        EINVAL,
    );
    t.refused("an unknown flag", remap(target, PAGE, PAGE, 8, 0), EINVAL);
    let shared = pages(2, MAP_SHARED)?;
    let twin = remap(shared, 0, 2 * PAGE, MREMAP_MAYMOVE, 0)?;
    t.same(
        "an old length of 0 is a second",
        (byte(twin), byte(twin + PAGE)),
        (1, 2),
    );
    t.same("of the first", byte(shared), 1);
    t.refused(
        "not of private memory",
        remap(at, 0, PAGE, MREMAP_MAYMOVE, 0),
        EINVAL,
    );
    Ok(())
}
