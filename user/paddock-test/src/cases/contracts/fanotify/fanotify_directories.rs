//! fanotify(7): names in a folder that is watched, and the order of what is told.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    folder("d/e")?;
    let fd = group(DIR_FID | NAME)?;
    let names = CREATE | DELETE | MOVED_FROM | MOVED_TO;
    let mask = names | MODIFY | CLOSE_WRITE | MOVE_SELF | DELETE_SELF | ON_CHILD | ONDIR;
    mark(fd, ADD, mask, "d/e")?;
    let saw = |t: &mut Report, what: &str, expected: &[(u64, &str)]| {
        let all = heard(fd).into_iter();
        let all = all.map(|it| (it.mask, it.info.into_iter().next().map(|it| it.2)));
        let all: Vec<_> = all.map(|it| (it.0, it.1.unwrap_or_default())).collect();
        let expected: Vec<_> = expected.iter().map(|it| (it.0, it.1.to_owned())).collect();
        t.same(what, all, expected);
    };
    file("d/e/f", b"x")?;
    saw(
        t,
        "made, written, closed",
        &[(CREATE | MODIFY | CLOSE_WRITE, "f")],
    );
    call!(link(c"d/e/f".as_ptr(), c"d/e/g".as_ptr()))?;
    call!(symlink(c"f".as_ptr(), c"d/e/l".as_ptr()))?;
    saw(t, "other names", &[(CREATE, "g"), (CREATE, "l")]);
    call!(truncate(c"d/e/f".as_ptr(), 0))?;
    saw(t, "cut", &[(MODIFY, "f")]);
    folder("d/e/h")?;
    call!(rename(c"d/e/h".as_ptr(), c"d/e/i".as_ptr()))?;
    saw(
        t,
        "folders",
        &[(CREATE | MOVED_FROM | ONDIR, "h"), (MOVED_TO | ONDIR, "i")],
    );
    call!(unlink(c"d/e/f".as_ptr()))?;
    call!(unlink(c"d/e/g".as_ptr()))?;
    call!(unlink(c"d/e/l".as_ptr()))?;
    call!(rmdir(c"d/e/i".as_ptr()))?;
    saw(
        t,
        "taken away",
        &[
            (DELETE, "f"),
            (DELETE, "g"),
            (DELETE, "l"),
            (DELETE | ONDIR, "i"),
        ],
    );
    call!(rename(c"d/e".as_ptr(), c"d/c".as_ptr()))?;
    saw(t, "itself", &[(MOVE_SELF | ONDIR, ".")]);
    call!(rmdir(c"d/c".as_ptr()))?;
    saw(t, "to the end", &[(DELETE_SELF | ONDIR, ".")]);
    Ok(())
}
