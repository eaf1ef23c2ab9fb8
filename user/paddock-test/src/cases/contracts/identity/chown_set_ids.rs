//! chown(2): set-user and set-group bits go with the owner.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    let path = c"f".as_ptr();
    let all = u32::MAX;
    let mut after = |what: &str, before: mode_t, user: u32, group: u32, expected: mode_t| {
        let set = call!(chown(path, 0, 0)).and_then(|_| call!(chmod(path, before)));
        let found = set.and_then(|_| call!(chown(path, user, group)));
        t.same(what, found.and_then(|_| mode("f")), Ok(expected));
    };
    after("a new owner", 0o6755, 700, 701, 0o755);
    after("a new group", 0o6755, all, 701, 0o755);
    after("the same owner", 0o6755, 0, 0, 0o755);
    after("none that the group runs", 0o2644, 700, 701, 0o2644);
    after("the user's alone", 0o4644, 700, 701, 0o644);
    after("the sticky bit", 0o1755, 700, 701, 0o1755);
    yes!(t; "a folder's": chmod(c"d".as_ptr(), 0o6777); "its owner": chown(c"d".as_ptr(), 700, 701););
    t.same("stay", mode("d"), Ok(0o6777));
    yes!(t; "a group alone": chown(c"f".as_ptr(), all, 55););
    let owner = status("f").map(|it| (it.st_uid, it.st_gid));
    t.same("leaves the user", owner, Ok((700, 55)));
    yes!(t; "a user alone": chown(c"f".as_ptr(), 77, all););
    let owner = status("f").map(|it| (it.st_uid, it.st_gid));
    t.same("leaves the group", owner, Ok((77, 55)));
    let fd = opened("f", O_RDONLY)?;
    yes!(t; "bits": chmod(path, 0o6755); "by a descriptor": fchown(fd, 1, 2););
    t.same("go as well", mode("f"), Ok(0o755));
    Ok(())
}
