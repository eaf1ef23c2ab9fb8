//! fanotify_mark(2): FAN_MARK_EVICTABLE.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    file("d/f", b"")?;
    let fd = group(0)?;
    t.works("it may go", mark(fd, ADD | EVICTABLE, OPEN, "d/f"));
    t.works("still", mark(fd, ADD | EVICTABLE, CLOSE_NOWRITE, "d/f"));
    touch("d/f")?;
    hears(t, fd, "it is one", &[(OPEN | CLOSE_NOWRITE, "f")]);
    t.works("it stays", mark(fd, ADD, OPEN, "d/f"));
    t.refused("for good", mark(fd, ADD | EVICTABLE, OPEN, "d/f"), EEXIST);
    t.works("less", mark(fd, REMOVE, OPEN | CLOSE_NOWRITE, "d/f"));
    t.refused("none", mark(fd, REMOVE, OPEN, "d/f"), ENOENT);
    let info = |fd: i32| {
        let text = text(&format!("/proc/self/fdinfo/{fd}"));
        let count = text.lines().filter(|line| line.starts_with("fanotify ino"));
        count.count()
    };
    t.works("again", mark(fd, ADD | EVICTABLE, OPEN, "d/f"));
    t.same("is listed", info(fd), 1);
    yes!(t; "the file goes": unlink(c"d/f".as_ptr()););
    t.same("and the mark", info(fd), 0);
    Ok(())
}
