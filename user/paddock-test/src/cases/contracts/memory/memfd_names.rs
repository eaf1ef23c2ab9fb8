//! memfd_create(2): names, modes, and what the file is like.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let new = |name: &CStr, flags: u32| call!(memfd_create(name.as_ptr(), flags));
    let longest = word(&"x".repeat(249));
    let longer = word(&"x".repeat(250));
    t.works("no name", new(c"", 0));
    t.works("the longest", new(&longest, 0));
    t.refused("a longer", new(&longer, 0), EINVAL);
    t.refused("an unknown flag", new(c"x", 0x80), EINVAL);
    t.refused(
        "nowhere",
        call!(memfd_create(8 as *const c_char, 0)),
        EFAULT,
    );
    let fd = new(c"a/b", MFD_CLOEXEC)?;
    let link =
        std::fs::read_link(format!("/proc/self/fd/{fd}")).map_err(|error| error.to_string())?;
    t.same(
        "is told",
        link.to_string_lossy().into_owned(),
        "/memfd:a/b (deleted)".into(),
    );
    t.same("MFD_CLOEXEC", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    t.same(
        "to read and write",
        call!(fcntl(fd, F_GETFL)).map(|it| it & O_ACCMODE),
        Ok(O_RDWR),
    );
    let it = stat_of(fd)?;
    t.same("everybody's", it.st_mode, S_IFREG | 0o777);
    t.same("without a name", it.st_nlink as u64, 0);
    let other = new(c"a/b", 0)?;
    t.check("one name, two files", stat_of(other)?.st_ino != it.st_ino);
    sys::write_all(fd, b"abc")?;
    let again = opened(&format!("/proc/self/fd/{fd}"), O_RDONLY)?;
    let mut bytes = [0; 8];
    t.same(
        "opened again, from the beginning",
        sys::read(again, &mut bytes),
        Ok(3),
    );
    yes!(t; "its mode": fchmod(fd, 0o600););
    t.same("is set", stat_of(again)?.st_mode & 0o777, 0o600);
    yes!(t; "a hole": lseek(fd, 3 * PAGE as i64, SEEK_SET););
    sys::write_all(fd, b"z")?;
    t.same("the hole", call!(lseek(fd, 0, SEEK_HOLE)), Ok(PAGE as i64));
    t.same(
        "and data",
        call!(lseek(fd, PAGE as i64, SEEK_DATA)),
        Ok(3 * PAGE as i64),
    );
    t.check("takes no room", stat_of(fd)?.st_blocks <= 16);
    Ok(())
}
