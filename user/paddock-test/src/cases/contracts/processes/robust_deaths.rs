//! get_robust_list(2), set_robust_list(2): sizes, whose, and what a death marks.
use crate::cases::contracts::prelude::*;

const OWNER_DIED: u32 = 0x4000_0000;

pub fn run(t: &mut Report) -> Outcome {
    let mut head = [0usize; 3];
    let mut size = 0usize;
    let (at, to) = (head.as_mut_ptr(), &raw mut size);
    let get = |pid: i32| raw!(SYS_get_robust_list, pid, at, to).map(drop);
    t.refused("another size", raw!(SYS_set_robust_list, at, 12), EINVAL);
    t.works("none", raw!(SYS_set_robust_list, 0, 24));
    t.works("one's own", get(0));
    t.same("none is told", (head[0], size), (0, 24));
    t.works("by number", get(own_pid()));
    t.refused("nobody", get(0x3fff_fff0), ESRCH);
    t.refused("to nowhere", raw!(SYS_get_robust_list, 0, 8, to), EFAULT);
    t.refused(
        "a size nowhere",
        raw!(SYS_get_robust_list, 0, at, 8),
        EFAULT,
    );
    as_nobody(t, |t| {
        t.refused("another's", get(1), EPERM);
        Ok(())
    })?;
    let shared = Map::new(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    let base: *mut usize = shared.start.cast();
    let word: *mut u32 = base.wrapping_add(8).cast();
    // A head, then an entry whose word is 32 bytes behind it.
    let (entry, head_at) = (base.wrapping_add(4), base);
    let waiter = sys::fork(|| unless(raw!(SYS_futex, word, 0, 0, 0, 0, 0).is_ok()))?;
    sys::until_asleep(waiter)?;
    let child = sys::fork(|| {
        // SAFETY: of the mapping.
        unsafe {
            head_at.write(entry.addr());
            head_at.add(1).write(32);
            head_at.add(2).write(0);
            entry.write(head_at.addr());
            word.write(sys::tid() as u32 | 0x8000_0000);
        }
        unless(raw!(SYS_set_robust_list, head_at, 24).is_ok())
    })?;
    t.same("its owner dies", sys::wait(child), Ok(End::Exited(0)));
    // SAFETY: of the mapping, which nobody writes now.
    let left = unsafe { word.read_volatile() };
    t.same("the word is marked", left, 0x8000_0000 | OWNER_DIED);
    t.same("and a waiter woken", sys::wait(waiter), Ok(End::Exited(0)));
    Ok(())
}
