//! access(2): what the real user may do with files of each mode.
use crate::cases::contracts::prelude::*;

fn may(name: &CStr, how: i32) -> Option<i32> {
    call!(access(name.as_ptr(), how)).err().map(|it| it.0)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    file("d/f", b"")?;
    let set = |name: &CStr, mode: mode_t| call!(chmod(name.as_ptr(), mode)).map(drop);
    set(c"f", 0)?;
    set(c"d", 0)?;
    t.same("root reads all", may(c"f", R_OK), None);
    t.same("and writes all", may(c"f", W_OK), None);
    t.same("but does not run all", may(c"f", X_OK), Some(EACCES));
    t.same("nor all of them", may(c"f", R_OK | X_OK), Some(EACCES));
    t.same("it searches every folder", may(c"d", X_OK), None);
    t.same("and what is in it", may(c"d/f", F_OK), None);
    set(c"f", 0o001)?;
    t.same("what anybody runs, root does", may(c"f", X_OK), None);
    set(c"f", 0o754)?;
    as_nobody(t, |t| {
        t.same("others read", may(c"f", R_OK), None);
        t.same("do not write", may(c"f", W_OK), Some(EACCES));
        t.same("nor run", may(c"f", X_OK), Some(EACCES));
        t.same("nor both", may(c"f", R_OK | W_OK), Some(EACCES));
        t.same("it is there", may(c"f", F_OK), None);
        t.same(
            "nothing below a closed one",
            may(c"d/f", F_OK),
            Some(EACCES),
        );
        t.same("which is there", may(c"d", F_OK), None);
        Ok(())
    })?;
    apart(t, |t| {
        raw!(SYS_setresuid, -1, NOBODY, -1)?;
        t.same("the real user counts", may(c"f", W_OK), None);
        let fd = call!(open(c"f".as_ptr(), O_WRONLY));
        t.refused("not who opens", fd, EACCES);
        let how = 0x200;
        let it = raw!(SYS_faccessat2, AT_FDCWD, c"f".as_ptr(), W_OK, how);
        t.refused("AT_EACCESS asks for that one", it, EACCES);
        Ok(())
    })
}
