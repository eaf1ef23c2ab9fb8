//! munmap(2): what is gone, what calls say of it, and what a child still has.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let map = Map::memory(4 * PAGE)?;
    let at = map.start.addr();
    (0..4).for_each(|page| map.write(page * PAGE, page as u8 + 1));
    let [_, writer] = sys::pipe()?;
    let unmap = |at: usize, length: usize| raw!(SYS_munmap, at, length).map(drop);
    t.works("a byte is its page", unmap(at + PAGE, 1));
    t.same(
        "gone",
        touching(&map, PAGE, false),
        Ok(End::Killed(SIGSEGV)),
    );
    t.same(
        "to its end",
        touching(&map, 2 * PAGE - 1, false),
        Ok(End::Killed(SIGSEGV)),
    );
    t.same("its neighbours", (map.read(0), map.read(2 * PAGE)), (1, 3));
    no!(t; "a call": write(writer, map.address(PAGE), 1) => EFAULT;);
    t.works("twice", unmap(at + PAGE, PAGE));
    t.refused("none", unmap(at, 0), EINVAL);
    t.refused("between two", unmap(at + 1, PAGE), EINVAL);
    t.refused("beyond all", unmap(at, usize::MAX / 2), EINVAL);
    t.refused("a length that wraps", unmap(at, usize::MAX), EINVAL);
    let [told, tell] = sys::pipe()?;
    let child = sys::fork(|| {
        let waited = sys::read(told, &mut [0; 1]).is_ok();
        unless(waited && map.read(2 * PAGE) == 3)
    })?;
    t.works("the rest", unmap(at, 4 * PAGE));
    sys::write_all(tell, b"x")?;
    t.same(
        "a child keeps its own",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    t.same(
        "all is gone",
        touching(&map, 0, true),
        Ok(End::Killed(SIGSEGV)),
    );
    std::mem::forget(map);
    Ok(())
}
