//! mremap(2): MREMAP_DONTUNMAP.
use crate::cases::contracts::prelude::*;

const KEEP: i32 = 4;
const MOVE: i32 = MREMAP_MAYMOVE;

fn moved(
    from: *const c_void,
    old: usize,
    new: usize,
    flags: i32,
    to: usize,
) -> Result<usize, Errno> {
    raw!(SYS_mremap, from, old, new, flags, to).map(|at| at as usize)
}

fn byte(at: usize) -> u8 {
    // SAFETY: the page is mapped.
    unsafe { std::ptr::with_exposed_provenance::<u8>(at).read_volatile() }
}

pub fn run(t: &mut Report) -> Outcome {
    let map = Map::memory(2 * PAGE)?;
    map.write(0, 5);
    map.write(PAGE, 6);
    let (all, from) = (2 * PAGE, map.address(0));
    t.refused("it may not move", moved(from, all, all, KEEP, 0), EINVAL);
    t.refused(
        "another length",
        moved(from, all, PAGE, KEEP | MOVE, 0),
        EINVAL,
    );
    let own = from.addr() + PAGE;
    t.refused(
        "onto itself",
        moved(from, all, all, KEEP | MOVE | MREMAP_FIXED, own),
        EINVAL,
    );
    let at = moved(from, all, all, KEEP | MOVE, 0)?;
    t.same("the pages have moved", (byte(at), byte(at + PAGE)), (5, 6));
    t.same(
        "and left the place empty",
        (map.read(0), map.read(PAGE)),
        (0, 0),
    );
    map.write(0, 7);
    t.same("which is another's", byte(at), 5);
    let target = Map::memory(2 * PAGE)?;
    target.write(0, 1);
    let to = target.address(0).addr();
    let at = moved(from, all, all, KEEP | MOVE | MREMAP_FIXED, to);
    t.same("to a place of its own", at, Ok(to));
    t.same("with what was there", (target.read(0), map.read(0)), (7, 0));
    file("f", b"content")?;
    let fd = opened("f", O_RDWR)?;
    let shared = Map::new(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd)?;
    t.same("a file's", shared.read(0), b'c');
    let at = moved(shared.address(0), PAGE, PAGE, KEEP | MOVE, 0)?;
    t.same("is at both", (byte(at), shared.read(0)), (b'c', b'c'));
    Ok(())
}
