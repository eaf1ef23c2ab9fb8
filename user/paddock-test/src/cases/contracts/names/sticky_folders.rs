//! A folder with the sticky bit: who may rename and remove what is in it (unlink(2)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    for name in ["sticky", "free"] {
        folder(name)?;
        call!(chmod(word(name).as_ptr(), 0o1777))?;
        file(&format!("{name}/root"), b"")?;
        file(&format!("{name}/own"), b"")?;
        call!(chown(word(&format!("{name}/own")).as_ptr(), NOBODY, NOBODY))?;
        folder(&format!("{name}/folder"))?;
    }
    yes!(t; "nobody's folder": chown(c"free".as_ptr(), NOBODY, NOBODY););
    as_nobody(t, |t| {
        no!(t;
            "another's": unlink(c"sticky/root".as_ptr()) => EPERM;
            "another's folder": rmdir(c"sticky/folder".as_ptr()) => EPERM;
            "to rename another's": rename(c"sticky/root".as_ptr(), c"sticky/x".as_ptr()) => EPERM;
            "to replace another's": rename(c"sticky/own".as_ptr(), c"sticky/root".as_ptr()) => EPERM;
        );
        yes!(t; "one's own is renamed": rename(c"sticky/own".as_ptr(), c"sticky/mine".as_ptr());
            "and removed": unlink(c"sticky/mine".as_ptr());
            "all in one's own folder": unlink(c"free/root".as_ptr());
            "and folders": rmdir(c"free/folder".as_ptr());
            "a file is made": mknod(c"sticky/new".as_ptr(), S_IFREG | 0o644, 0););
        Ok(())
    })?;
    yes!(t; "root may": unlink(c"sticky/new".as_ptr()););
    Ok(())
}
