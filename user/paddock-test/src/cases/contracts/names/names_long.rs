//! path_resolution(7): names of 255 bytes, paths of 4095, slashes and dots.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let name = "n".repeat(255);
    t.works(
        "the longest name",
        call!(creat(word(&name).as_ptr(), 0o600)),
    );
    t.refused(
        "a longer",
        call!(creat(word(&"n".repeat(256)).as_ptr(), 0o600)),
        ENAMETOOLONG,
    );
    t.works("found", status(&name));
    folder("d")?;
    let path = |length: usize| format!("{}{name}", "./".repeat((length - 255) / 2));
    t.works("the longest path", status(&path(4095)));
    t.refused(
        "a longer path",
        status(&format!("/{}", ".//".repeat(1366))).map(drop),
        ENAMETOOLONG,
    );
    t.works("many slashes", status(&format!("d{}", "/".repeat(1000))));
    t.works("dots", status("d/./.././d/."));
    t.refused(
        "dots of a file",
        status(&format!("{name}/.")).map(drop),
        ENOTDIR,
    );
    t.refused(
        "up from a file",
        status(&format!("{name}/..")).map(drop),
        ENOTDIR,
    );
    t.refused("up from nothing", status("no/..").map(drop), ENOENT);
    t.works("above the root", status("/../../proc"));
    let odd = [b'a', b'\n', 0xff, b' ', b'\\', 0];
    let odd = CStr::from_bytes_with_nul(&odd).unwrap_or_default();
    yes!(t; "any byte but two": creat(odd.as_ptr(), 0o600); "is found": access(odd.as_ptr(), F_OK); "and removed": unlink(odd.as_ptr());
        "three dots are a name": mkdir(c"...".as_ptr(), 0o700); "spaces": mkdir(c" ".as_ptr(), 0o700););
    no!(t; "upper case is another": access(c"D".as_ptr(), F_OK) => ENOENT;);
    Ok(())
}
