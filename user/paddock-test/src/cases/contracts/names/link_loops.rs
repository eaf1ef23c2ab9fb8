//! path_resolution(7): forty links are followed, not more.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("l0", b"end")?;
    for number in 1..=42 {
        call!(symlink(
            word(&format!("l{}", number - 1)).as_ptr(),
            word(&format!("l{number}")).as_ptr()
        ))?;
    }
    t.works("forty", opened("l40", O_RDONLY));
    t.refused("one more", opened("l41", O_RDONLY), ELOOP);
    no!(t; "access": access(c"l42".as_ptr(), F_OK) => ELOOP;
        "truncate": truncate(c"l42".as_ptr(), 0) => ELOOP;
        "chmod": chmod(c"l42".as_ptr(), 0o600) => ELOOP;
        "creat": creat(c"l42".as_ptr(), 0o600) => ELOOP;);
    t.works("a link itself", status("l42"));
    let fd = opened("l42", O_PATH | O_NOFOLLOW)?;
    t.same("by its place", kind(fd), Ok(S_IFLNK));
    let mut text = [0u8; 8];
    t.same(
        "is read by it",
        raw!(SYS_readlinkat, fd, c"".as_ptr(), text.as_mut_ptr(), 8),
        Ok(3),
    );
    yes!(t; "one in the middle": unlink(c"l20".as_ptr()););
    t.refused("leads to nothing", opened("l30", O_RDONLY), ENOENT);
    yes!(t; "made by the links": creat(c"l30".as_ptr(), 0o600););
    t.same(
        "at their end",
        status("l20").map(|it| it.st_mode & S_IFMT),
        Ok(S_IFREG),
    );
    Ok(())
}
