//! mount(2), MS_NOEXEC: access(2), mmap(2) and mprotect(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    let (kind, place) = (c"tmpfs".as_ptr(), c"d".as_ptr());
    yes!(t; "a table of its own": unshare(CLONE_NEWNS); "private": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null());
        "memory": mount(kind, place, kind, MS_NOEXEC, null()););
    file("d/f", b"abc")?;
    folder("d/sub")?;
    let path = c"d/f".as_ptr();
    yes!(t; "a program": chmod(path, 0o755); "to be read": access(path, R_OK | W_OK););
    no!(t; "not executed": access(path, X_OK) => EACCES;
        "nor by a descriptor": faccessat(AT_FDCWD, path, R_OK | X_OK, 0) => EACCES;);
    yes!(t; "a folder is entered": access(c"d/sub".as_ptr(), X_OK););
    let fd = opened("d/f", O_RDWR)?;
    let with = |protection, flags| Map::new(PAGE, protection, flags, fd);
    let refused = with(PROT_READ | PROT_EXEC, MAP_PRIVATE).map(drop);
    t.refused("mapped as code", refused, EPERM);
    let map = with(PROT_READ, MAP_PRIVATE)?;
    let becomes = map.protect(0, PAGE, PROT_READ | PROT_EXEC);
    t.refused("it does not become code", becomes, EACCES);
    Ok(())
}
