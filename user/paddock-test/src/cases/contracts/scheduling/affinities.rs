//! sched_setaffinity(2), sched_getaffinity(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut all = [0u64; 128];
    let get = |pid: i32, size: usize, at: *mut u64| raw!(SYS_sched_getaffinity, pid, size, at);
    let set = |pid: i32, size: usize, at: *const u64| raw!(SYS_sched_setaffinity, pid, size, at);
    t.works("asked", get(0, 1024, all.as_mut_ptr()));
    t.refused(
        "told nowhere",
        get(0, 1024, std::ptr::dangling_mut::<u64>()),
        EFAULT,
    );
    t.refused(
        "set from nowhere",
        set(0, 8, std::ptr::dangling::<u64>()),
        EFAULT,
    );
    t.refused("nobody's", set(NOBODYS, 8, all.as_ptr()), ESRCH);
    t.refused("no room at all", set(0, 0, all.as_ptr()), EINVAL);
    let one = [1u64];
    t.works("the first alone", set(0, 8, one.as_ptr()));
    let mut found = [0u64; 128];
    t.works("asked again", get(0, 1024, found.as_mut_ptr()));
    t.same("is all", found[0], 1);
    t.same(
        "in /proc",
        field("/proc/self/status", "Cpus_allowed_list"),
        "0".into(),
    );
    let (mut cpu, mut node) = (9u32, 9u32);
    t.works(
        "runs there",
        raw!(SYS_getcpu, &raw mut cpu, &raw mut node, 0),
    );
    t.same("on the first", cpu, 0);
    let child = sys::in_child(|| {
        let mut found = [0u64; 128];
        let asked = get(0, 1024, found.as_mut_ptr());
        i32::from(asked.is_err() || found[0] != 1)
    })?;
    t.same("a child too", child, End::Exited(0));
    let other = std::thread::spawn(move || {
        let mut found = [0u64; 128];
        let asked = raw!(SYS_sched_getaffinity, 0, 1024, found.as_mut_ptr());
        (asked.is_ok(), found[0])
    });
    t.same(
        "and a thread",
        other.join().map_err(|_| "a thread ended")?,
        (true, 1),
    );
    t.works(
        "more than there are",
        set(0, 1024, [u64::MAX; 128].as_ptr()),
    );
    t.works("asked once more", get(0, 1024, found.as_mut_ptr()));
    t.same("is what there are", found[0], all[0]);
    let child = sleeper()?;
    t.works("another's", set(child, 8, one.as_ptr()));
    as_nobody(t, |t| {
        t.refused("another user's", set(child, 8, one.as_ptr()), EPERM);
        t.works("asked of it", get(child, 1024, found.as_mut_ptr()));
        t.same("as it was set", found[0], 1);
        Ok(())
    })?;
    end(child)?;
    Ok(())
}
