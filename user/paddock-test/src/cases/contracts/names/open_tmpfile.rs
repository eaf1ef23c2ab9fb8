//! O_TMPFILE: a file without a name (open(2)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    no!(t;
        "to read": open(c".".as_ptr(), O_TMPFILE | O_RDONLY, 0o600) => EINVAL;
        "with O_CREAT": open(c".".as_ptr(), O_TMPFILE | O_RDWR | O_CREAT, 0o600) => EINVAL;
        "in a file": open(c"f".as_ptr(), O_TMPFILE | O_RDWR, 0o600) => ENOTDIR;
        "nowhere": open(c"no".as_ptr(), O_TMPFILE | O_RDWR, 0o600) => ENOENT;
    );
    let fd = call!(open(c".".as_ptr(), O_TMPFILE | O_RDWR, 0o600))?;
    t.same("no links", stat_of(fd)?.st_nlink as u64, 0);
    let link = |fd: i32, to: &CStr| {
        let path = CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default();
        call!(linkat(
            AT_FDCWD,
            path.as_ptr(),
            AT_FDCWD,
            to.as_ptr(),
            AT_SYMLINK_FOLLOW
        ))
    };
    t.works("gets a name", link(fd, c"named"));
    t.same("one link", stat_of(fd)?.st_nlink as u64, 1);
    let fd = call!(open(c".".as_ptr(), O_TMPFILE | O_RDWR | O_EXCL, 0o600))?;
    t.refused("O_EXCL forbids it", link(fd, c"other"), ENOENT);
    Ok(())
}
