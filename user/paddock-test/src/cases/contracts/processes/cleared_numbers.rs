//! set_tid_address(2) and clone(2)'s CLONE_CHILD_SETTID, CLONE_PARENT_SETTID and
//! CLONE_CHILD_CLEARTID: numbers in memory.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let shared = Map::new(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    let at = |offset: usize| shared.address(offset).cast_mut().cast::<i32>();
    // SAFETY: words of the mapping.
    let read = |offset: usize| unsafe { at(offset).read_volatile() };
    let child = sys::fork(|| {
        // SAFETY: likewise.
        unsafe { at(0).write(77) };
        i32::from(raw!(SYS_set_tid_address, at(0)) != Ok(i64::from(sys::tid())))
    })?;
    t.same("its own number", sys::wait(child), Ok(End::Exited(0)));
    t.same(
        "a process alone clears nothing that nobody shares",
        read(0),
        77,
    );
    let flags = SIGCHLD | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID;
    let mut parents = 0i32;
    // The order of the last two differs between machines.
    let pointer = &raw mut parents;
    let child = if cfg!(target_arch = "x86_64") {
        raw!(SYS_clone, flags, 0usize, pointer, at(8), 0usize)?
    } else {
        raw!(SYS_clone, flags, 0usize, pointer, 0usize, at(8))?
    };
    if child == 0 {
        // SAFETY: the child ends at once.
        unsafe { _exit(0) };
    }
    t.same("ends", sys::wait(child as i32), Ok(End::Exited(0)));
    t.same("the parent's word", i64::from(parents), child);
    t.same("the child's word", i64::from(read(8)), child);
    let other = std::thread::spawn(|| {
        let mut word = [0u64; 1];
        raw!(SYS_prctl, 40, word.as_mut_ptr(), 0, 0, 0).map(|_| word[0] != 0)
    });
    let found = other.join().map_err(|_| "a thread ended")?;
    t.same("a thread has one to be cleared", found, Ok(true));
    Ok(())
}
