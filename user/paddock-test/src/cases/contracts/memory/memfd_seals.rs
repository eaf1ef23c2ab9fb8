//! fcntl(2): seals of a file in memory, and which of them writes, cuts and mappings meet.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let new = |flags: u32| call!(memfd_create(c"sealed".as_ptr(), flags));
    let seal = |fd: i32, seals: i32| call!(fcntl(fd, F_ADD_SEALS, seals)).map(drop);
    let seals = |fd: i32| call!(fcntl(fd, F_GET_SEALS));
    let rights = PROT_READ | PROT_WRITE;
    let closed = new(0)?;
    t.same("sealed at first", seals(closed), Ok(F_SEAL_SEAL));
    t.refused("no more", seal(closed, F_SEAL_WRITE), EPERM);
    let fd = new(MFD_ALLOW_SEALING)?;
    yes!(t; "some bytes": ftruncate(fd, 2 * PAGE as i64););
    t.same("none", seals(fd), Ok(0));
    t.refused("an unknown one", seal(fd, 0x100), EINVAL);
    t.works("no shorter", seal(fd, F_SEAL_SHRINK));
    no!(t; "it is not": ftruncate(fd, 100) => EPERM;);
    yes!(t; "but longer": ftruncate(fd, 3 * PAGE as i64););
    t.works("no longer", seal(fd, F_SEAL_GROW));
    no!(t; "it is no longer": ftruncate(fd, 4 * PAGE as i64) => EPERM;
        "by fallocate": fallocate(fd, 0, 0, 4 * PAGE as i64) => EPERM;
        "by a write": pwrite(fd, c"ab".as_ptr().cast(), 2, 3 * PAGE as i64) => EPERM;);
    let map = Map::new(PAGE, rights, MAP_SHARED, fd)?;
    t.refused("mapped to be written", seal(fd, F_SEAL_WRITE), EBUSY);
    drop(map);
    t.works("no write", seal(fd, F_SEAL_WRITE));
    no!(t; "none": write(fd, c"x".as_ptr().cast(), 1) => EPERM;
        "no hole": fallocate(fd, 3, 0, 100) => EPERM;
        "no mapping": mmap(null_mut(), PAGE, rights, MAP_SHARED, fd, 0) => EPERM;);
    let private = Map::new(PAGE, rights, MAP_PRIVATE, fd)?;
    private.write(0, 5);
    t.works("no seal", seal(fd, F_SEAL_SEAL));
    t.refused("none is added", seal(fd, F_SEAL_SEAL), EPERM);
    t.same(
        "all",
        seals(fd),
        Ok(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
    );
    let future = new(MFD_ALLOW_SEALING)?;
    yes!(t; "a page": ftruncate(future, PAGE as i64););
    let map = Map::new(PAGE, rights, MAP_SHARED, future)?;
    t.works("no write from now on", seal(future, F_SEAL_FUTURE_WRITE));
    map.write(0, 9);
    t.same("the old mapping writes", map.read(0), 9);
    no!(t; "no new one": mmap(null_mut(), PAGE, rights, MAP_SHARED, future, 0) => EPERM;
        "no call": pwrite(future, c"x".as_ptr().cast(), 1, 0) => EPERM;);
    no!(t; "a reader may not": fcntl(opened(&format!("/proc/self/fd/{future}"), O_RDONLY)?, F_ADD_SEALS, F_SEAL_GROW) => EPERM;);
    Ok(())
}
