//! semget(2): keys, counts, permissions.
use crate::cases::contracts::prelude::*;

const MAKE: i32 = 0o1000;
const EXCL: i32 = 0o2000;

pub fn run(t: &mut Report) -> Outcome {
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let get = |key: i32, count: i32, flags: i32| raw!(SYS_semget, key, count, flags);
    t.refused("nothing there", get(77, 1, 0), ENOENT);
    t.refused("made of none", get(77, 0, MAKE), EINVAL);
    t.refused("of fewer than none", get(77, -1, MAKE), EINVAL);
    t.refused("of too many", get(77, 32_001, MAKE), EINVAL);
    let id = get(77, 3, MAKE | 0o600)?;
    t.refused("made twice", get(77, 3, MAKE | EXCL), EEXIST);
    t.same("found", get(77, 3, MAKE), Ok(id));
    t.same("however few are meant", get(77, 0, 0), Ok(id));
    t.refused("more than it has", get(77, 4, 0), EINVAL);
    let (first, second) = (get(0, 1, 0o600)?, get(0, 1, 0o600)?);
    t.check("a private one is always new", first != second);
    as_nobody(t, |t| {
        t.refused("another user's", get(77, 3, 0o600), EACCES);
        t.refused("only to read", get(77, 3, 0o400), EACCES);
        t.same("asked for no right", get(77, 3, 0), Ok(id));
        Ok(())
    })?;
    let told = text("/proc/sysvipc/sem");
    let line = told
        .lines()
        .find(|line| line.trim_start().starts_with("77 "));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let id_word = id.to_string();
    t.same(
        "in /proc",
        words.get(1..4),
        Some([id_word.as_str(), "600", "3"].as_slice()),
    );
    let limits = text("/proc/sys/kernel/sem");
    t.same("limits", limits.split_whitespace().count(), 4);
    for id in [id, first, second] {
        t.works("removed", raw!(SYS_semctl, id, 0, IPC_RMID, 0));
    }
    t.refused("is gone", get(77, 1, 0), ENOENT);
    Ok(())
}
