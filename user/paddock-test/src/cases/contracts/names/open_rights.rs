//! open(2): who may (EACCES, EPERM), O_NOATIME.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("own", b"abc")?;
    file("hidden", b"abc")?;
    folder("shut")?;
    file("shut/f", b"abc")?;
    folder("all")?;
    yes!(t; "hidden": chmod(c"hidden".as_ptr(), 0); "shut": chmod(c"shut".as_ptr(), 0o600);
        "all": chmod(c"all".as_ptr(), 0o777); "root reads": open(c"hidden".as_ptr(), O_RDWR);
        "root does without": open(c"own".as_ptr(), O_RDONLY | O_NOATIME););
    as_nobody(t, |t| {
        no!(t;
            "to write": open(c"own".as_ptr(), O_WRONLY) => EACCES;
            "to cut": open(c"own".as_ptr(), O_RDONLY | O_TRUNC) => EACCES;
            "to read": open(c"hidden".as_ptr(), O_RDONLY) => EACCES;
            "through a folder": open(c"shut/f".as_ptr(), O_RDONLY) => EACCES;
            "nothing there": open(c"shut/no".as_ptr(), O_RDONLY) => EACCES;
            "to make": open(c"new".as_ptr(), O_CREAT | O_RDONLY, 0o600) => EACCES;
            "without its time": open(c"own".as_ptr(), O_RDONLY | O_NOATIME) => EPERM;
            "the folder itself": open(c"shut".as_ptr(), O_RDONLY) => EACCES;
        );
        yes!(t; "its place": open(c"hidden".as_ptr(), O_PATH);
            "there": open(c"all/f".as_ptr(), O_CREAT | O_RDONLY, 0o600);
            "its own without": open(c"all/f".as_ptr(), O_RDONLY | O_NOATIME););
        Ok(())
    })?;
    t.same("not cut", text("own"), "abc".into());
    Ok(())
}
