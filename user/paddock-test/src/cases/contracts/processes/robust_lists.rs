//! set_robust_list(2), get_robust_list(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let head = [0usize; 3];
    let (at, size) = (head.as_ptr(), 24);
    t.refused(
        "another size",
        raw!(SYS_set_robust_list, at, 23usize),
        EINVAL,
    );
    t.refused("none", raw!(SYS_set_robust_list, at, 0usize), EINVAL);
    t.works("set", raw!(SYS_set_robust_list, at, size as usize));
    let mut found = 0usize;
    let mut length = 0usize;
    let get = |id: i32, found: *mut usize, length: *mut usize| {
        raw!(SYS_get_robust_list, id, found, length)
    };
    let (where_, how_long) = (&raw mut found, &raw mut length);
    t.works("its own", get(0, where_, how_long));
    t.same("as set", (found, length), (at.addr(), 24));
    t.works("by its number", get(sys::tid(), where_, how_long));
    t.refused("nobody's", get(NOBODYS, where_, how_long), ESRCH);
    t.refused(
        "told nowhere",
        get(0, std::ptr::dangling_mut::<usize>(), how_long),
        EFAULT,
    );
    t.refused(
        "nor how long",
        get(0, where_, std::ptr::dangling_mut::<usize>()),
        EFAULT,
    );
    as_nobody(t, |t| {
        t.refused("another user's", get(1, where_, how_long), EPERM);
        Ok(())
    })?;
    // A lock of shared memory whose owner ends: the list has one, at 8 behind its entry.
    let shared = Map::new(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    let base = shared.address(0).cast_mut().cast::<u32>();
    let child = sys::fork(|| {
        let list = base.wrapping_byte_add(64).cast::<usize>();
        let entry = base.wrapping_byte_add(128).cast::<usize>();
        // SAFETY: within the mapping, which only this process uses now.
        unsafe {
            list.write(entry.addr());
            list.wrapping_add(1).write(8);
            list.wrapping_add(2).write(0);
            entry.write(list.addr());
            entry
                .wrapping_add(1)
                .cast::<i32>()
                .write(sys::tid() | i32::MIN);
        }
        i32::from(raw!(SYS_set_robust_list, list, 24usize).is_err())
    })?;
    t.same("an owner ends", sys::wait(child), Ok(End::Exited(0)));
    let word = [136, 137, 138, 139].map(|place| shared.read(place));
    t.same("is marked as dead", u32::from_ne_bytes(word), 0xc000_0000);
    Ok(())
}
