//! shmat(2), shmdt(2): where, and until when.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let id = raw!(SYS_shmget, 0, 8192, 0o600)?;
    let attach = |place: usize, flags: i32| raw!(SYS_shmat, id, place, flags);
    let detach = |place: i64| raw!(SYS_shmdt, place);
    let mut words = [0u64; 16];
    t.refused("no such memory", raw!(SYS_shmat, -1, 0usize, 0), EINVAL);
    let first = attach(0, 0)?;
    t.refused("an odd place", attach(first as usize + 1, 0), EINVAL);
    t.refused("where something is", attach(first as usize, 0), EINVAL);
    t.refused(
        "nowhere in particular, to replace",
        attach(0, SHM_REMAP),
        EINVAL,
    );
    t.same("in its place", attach(first as usize, SHM_REMAP), Ok(first));
    let second = attach(0, SHM_RDONLY)?;
    let (one, other) = (first as *mut u8, second as *const u8);
    // SAFETY: both are mappings of this memory.
    let seen = unsafe {
        one.wrapping_add(5000).write_volatile(7);
        other.wrapping_add(5000).read_volatile()
    };
    t.same("one memory", seen, 7);
    let end = sys::in_child(|| {
        // SAFETY: a mapping, which must not be written.
        unsafe { other.cast_mut().write_volatile(1) };
        0
    })?;
    t.same("only read", end, End::Killed(SIGSEGV));
    t.refused("an odd place is none", detach(first + 1), EINVAL);
    t.refused(
        "nor what is no memory of this kind",
        detach(words.as_mut_ptr().addr() as i64),
        EINVAL,
    );
    let count = |words: &mut [u64; 16]| {
        raw!(SYS_shmctl, id, IPC_STAT, words.as_mut_ptr())?;
        Ok::<u64, Errno>(words[11])
    };
    t.same("attached twice", count(&mut words), Ok(2));
    let child = sys::in_child(|| i32::from(count(&mut words) != Ok(3 + 1)))?;
    t.same("and by a child", child, End::Exited(0));
    t.same("until it ends", count(&mut words), Ok(2));
    t.works("removed", raw!(SYS_shmctl, id, IPC_RMID, 0));
    // SAFETY: a mapping still.
    t.same(
        "stays while it is attached",
        unsafe { other.wrapping_add(5000).read_volatile() },
        7,
    );
    t.works("let go", detach(first));
    t.refused("once", detach(first), EINVAL);
    t.works("and the other", detach(second));
    t.refused("is gone then", attach(0, 0), EINVAL);
    Ok(())
}
