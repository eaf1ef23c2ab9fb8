//! set_mempolicy(2), get_mempolicy(2), mbind(2): what they refuse.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let one = 1u64;
    let nodes = &raw const one;
    let set =
        |mode: i32, nodes: *const u64, count: usize| raw!(SYS_set_mempolicy, mode, nodes, count);
    t.refused("no such mode", set(77, null(), 0), EINVAL);
    t.refused("a default of nodes", set(0, nodes, 64), EINVAL);
    t.refused("bound to none", set(2, null(), 0), EINVAL);
    t.refused(
        "nodes nowhere",
        set(2, std::ptr::dangling::<u64>(), 64),
        EFAULT,
    );
    t.refused(
        "a node that is not",
        set(2, &raw const *Box::new(1u64 << 63), 64),
        EINVAL,
    );
    t.refused("an unknown flag", set(2 | 1 << 12, nodes, 64), EINVAL);
    t.refused(
        "two flags that exclude each other",
        set(2 | 3 << 14, nodes, 64),
        EINVAL,
    );
    t.works("bound", set(2, nodes, 64));
    let mut mode = -1i32;
    let mut found = [0u64; 16];
    let get = |mode: *mut i32, found: *mut u64, count: usize, place: usize, flags: usize| {
        raw!(SYS_get_mempolicy, mode, found, count, place, flags)
    };
    t.works("asked", get(&raw mut mode, found.as_mut_ptr(), 1024, 0, 0));
    t.same("is it", (mode, found[0]), (2, 1));
    t.refused("a flag", get(&raw mut mode, null_mut(), 0, 0, 8), EINVAL);
    t.refused(
        "a place without its flag",
        get(&raw mut mode, null_mut(), 0, 4096, 0),
        EINVAL,
    );
    t.refused(
        "nothing there",
        get(&raw mut mode, null_mut(), 0, 4096, 2),
        EFAULT,
    );
    t.refused(
        "too few bits",
        get(&raw mut mode, found.as_mut_ptr(), 0, 0, 0),
        EINVAL,
    );
    t.refused(
        "told nowhere",
        get(8 as *mut i32, null_mut(), 0, 0, 0),
        EFAULT,
    );
    let child = sys::in_child(|| {
        let mut mode = -1i32;
        let asked = raw!(SYS_get_mempolicy, &raw mut mode, 0, 0, 0, 0);
        i32::from(asked.is_err() || mode != 2)
    })?;
    t.same("a child has it", child, End::Exited(0));
    t.works("the default", set(0, null(), 0));
    t.works("asked again", get(&raw mut mode, null_mut(), 0, 0, 0));
    t.same("is none", mode, 0);
    let map = Map::memory(8192)?;
    let place = map.address(0).addr();
    let bind = |place: usize, length: usize, mode: usize, flags: usize| {
        raw!(SYS_mbind, place, length, mode, nodes, 64usize, flags)
    };
    t.refused("an odd place", bind(place + 1, 4096, 2, 0), EINVAL);
    t.refused("no such way", bind(place, 4096, 77, 0), EINVAL);
    t.refused(
        "an unknown flag of it",
        bind(place, 4096, 2, 1 << 10),
        EINVAL,
    );
    t.refused("where nothing is", bind(4096, 4096, 2, 0), EFAULT);
    t.works("bound there", bind(place, 8192, 2, 0));
    Ok(())
}
