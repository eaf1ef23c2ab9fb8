//! shmctl(2): what is told, and changed.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const INFO: i32 = 3;
    const SHM_STAT: i32 = 13;
    const SHM_INFO: i32 = 14;
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let id = raw!(SYS_shmget, 55, 5000, 0o1600)?;
    let mut words = [0u64; 16];
    let at = words.as_mut_ptr();
    let go = |id: i64, what: i32, at: *mut u64| raw!(SYS_shmctl, id, what, at);
    t.refused("no such memory", go(-1, IPC_STAT, at), EINVAL);
    t.refused("no such word", go(id, 99, at), EINVAL);
    t.refused(
        "told nowhere",
        go(id, IPC_STAT, std::ptr::dangling_mut::<u64>()),
        EFAULT,
    );
    t.refused(
        "changed from nowhere",
        go(id, IPC_SET, std::ptr::dangling_mut::<u64>()),
        EFAULT,
    );
    t.works("told", go(id, IPC_STAT, at));
    t.same("its key", words[0] as u32, 55);
    t.same("its size", words[6], 5000);
    t.same("never attached", (words[7], words[8], words[11]), (0, 0, 0));
    t.same("who made it", words[10] as u32, sys::tid() as u32);
    let mode = (words[2] >> 32) as u32;
    t.same("its permissions", mode & 0o777, 0o600);
    words[2] = words[2] & 0xffff_ffff | 0o444 << 32;
    let at = words.as_mut_ptr();
    t.works("changed", go(id, IPC_SET, at));
    t.works("asked", go(id, IPC_STAT, at));
    t.same("are changed", (words[2] >> 32) as u32 & 0o777, 0o444);
    let place = raw!(SYS_shmat, id, 0usize, 0)?;
    let at = words.as_mut_ptr();
    t.works("asked when it is attached", go(id, IPC_STAT, at));
    t.check("when", words[7] > 1_000_000);
    t.same("by whom", (words[10] >> 32) as u32, sys::tid() as u32);
    let at = words.as_mut_ptr();
    t.same("the highest number", go(0, INFO, at), Ok(0));
    t.check("limits", words[0] > 0 && words[1] == 1 && words[2] > 0);
    let at = words.as_mut_ptr();
    t.same("what is used", go(0, SHM_INFO, at), Ok(0));
    t.same(
        "one object of two pages",
        (words[0] as u32, words[1]),
        (1, 2),
    );
    let at = words.as_mut_ptr();
    t.same("by its place in the list", go(0, SHM_STAT, at), Ok(id));
    t.refused("a place that is empty", go(5, SHM_STAT, at), EINVAL);
    t.works("locked", go(id, 11, null_mut()));
    t.works("unlocked", go(id, 12, null_mut()));
    t.works("let go", raw!(SYS_shmdt, place));
    t.works("removed", go(id, IPC_RMID, null_mut()));
    t.refused("is gone", go(id, IPC_RMID, null_mut()), EINVAL);
    Ok(())
}
