//! fcntl(2)'s and open(2)'s times: reading, writing and making change which times.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    folder("d")?;
    let old = [time(1000, 0), time(2000, 0)];
    let set = |path: &CStr| call!(utimensat(AT_FDCWD, path.as_ptr(), old.as_ptr(), 0));
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let folder = call!(open(c"d".as_ptr(), O_RDONLY))?;
    let times = |fd: i32| stat_of(fd).map(|it| (it.st_atime == 1000, it.st_mtime == 2000));
    set(c"f")?;
    set(c"d")?;
    t.same("as set", times(fd), Ok((true, true)));
    yes!(t; "permissions": fchmod(fd, 0o600); "a name more": link(c"f".as_ptr(), c"g".as_ptr()););
    t.same("change neither", times(fd), Ok((true, true)));
    t.same("nothing is written", sys::write(fd, b""), Ok(0));
    t.same("and changes neither", times(fd), Ok((true, true)));
    t.works("written", sys::write(fd, b"x"));
    t.same("changes one", times(fd), Ok((true, false)));
    set(c"f")?;
    yes!(t; "cut": ftruncate(fd, 1););
    t.same("changes the same", times(fd), Ok((true, false)));
    set(c"f")?;
    yes!(t; "to the same length": ftruncate(fd, 1););
    t.same("changes it too", times(fd), Ok((true, false)));
    set(c"f")?;
    yes!(t; "emptied as it is opened": open(c"f".as_ptr(), O_WRONLY | O_TRUNC););
    t.same("as well", times(fd), Ok((true, false)));
    let quiet = call!(open(c"f".as_ptr(), O_RDONLY | O_NOATIME))?;
    set(c"f")?;
    t.works("read quietly", sys::read(quiet, &mut [0; 4]));
    t.same("changes none", times(fd), Ok((true, true)));
    t.same("a folder's", times(folder), Ok((true, true)));
    yes!(t; "a file in it": open(c"d/f".as_ptr(), O_CREAT | O_RDWR, 0o600););
    t.same(
        "changes one of its",
        times(folder).map(|it| it.1),
        Ok(false),
    );
    set(c"d")?;
    yes!(t; "moved out of it": rename(c"d/f".as_ptr(), c"h".as_ptr()););
    t.same("as well as that", times(folder).map(|it| it.1), Ok(false));
    set(c"d")?;
    no!(t; "what fails": rmdir(c"d/no".as_ptr()) => ENOENT;);
    t.same("leaves it", times(folder).map(|it| it.1), Ok(true));
    Ok(())
}
