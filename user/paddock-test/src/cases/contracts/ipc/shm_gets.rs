//! shmget(2): keys, sizes, permissions.
use crate::cases::contracts::prelude::*;

const MAKE: i32 = 0o1000;
const EXCL: i32 = 0o2000;

pub fn run(t: &mut Report) -> Outcome {
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let get = |key: i32, size: usize, flags: i32| raw!(SYS_shmget, key, size, flags);
    t.refused("nothing there", get(77, 4096, 0), ENOENT);
    t.refused("made of no bytes", get(77, 0, MAKE), EINVAL);
    t.refused("of too many", get(77, usize::MAX, MAKE | 0o600), EINVAL);
    let id = get(77, 5000, MAKE | 0o640)?;
    t.refused("made twice", get(77, 5000, MAKE | EXCL), EEXIST);
    t.same("found", get(77, 5000, MAKE), Ok(id));
    t.same("however short", get(77, 0, 0), Ok(id));
    t.refused("longer than it is", get(77, 5001, 0), EINVAL);
    let other = get(0, 1, 0o600)?;
    t.check("a private one is another", other != id);
    as_nobody(t, |t| {
        t.refused("another user's", get(77, 1, 0o400), EACCES);
        t.refused(
            "its address",
            raw!(SYS_shmat, id, 0usize, SHM_RDONLY),
            EACCES,
        );
        t.refused("removed", raw!(SYS_shmctl, id, IPC_RMID, 0), EPERM);
        let mut words = [0u64; 32];
        let at = words.as_mut_ptr();
        t.refused("its status", raw!(SYS_shmctl, id, IPC_STAT, at), EACCES);
        t.refused("changed", raw!(SYS_shmctl, id, IPC_SET, at), EPERM);
        t.refused("locked", raw!(SYS_shmctl, id, 11, 0), EPERM);
        Ok(())
    })?;
    let told = text("/proc/sysvipc/shm");
    let line = told
        .lines()
        .find(|line| line.trim_start().starts_with("77 "));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let id_word = id.to_string();
    t.same(
        "in /proc",
        words.get(1..4),
        Some([id_word.as_str(), "640", "5000"].as_slice()),
    );
    t.works("removed", raw!(SYS_shmctl, id, IPC_RMID, 0));
    t.works("and the other", raw!(SYS_shmctl, other, IPC_RMID, 0));
    t.refused("is gone", get(77, 1, 0), ENOENT);
    Ok(())
}
