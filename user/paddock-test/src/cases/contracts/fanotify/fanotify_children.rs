//! fanotify_mark(2): FAN_EVENT_ON_CHILD and FAN_ONDIR.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    folder("d/e")?;
    file("d/f", b"")?;
    file("d/e/g", b"")?;
    let all = |t: &mut Report, mask: u64, what: &str, expected: &[(u64, &str)]| -> Outcome {
        let fd = group(0)?;
        mark(fd, ADD, mask, "d")?;
        for name in ["d", "d/f", "d/e", "d/e/g"] {
            touch(name)?;
        }
        hears(t, fd, what, expected);
        sys::close(fd)?;
        Ok(())
    };
    all(t, OPEN, "a folder is none", &[])?;
    all(t, OPEN | ONDIR, "it is", &[(OPEN, "d")])?;
    all(t, OPEN | ON_CHILD, "files in it", &[(OPEN, "f")])?;
    let both = [(OPEN, "d"), (OPEN, "f"), (OPEN, "e")];
    all(t, OPEN | ON_CHILD | ONDIR, "folders, too", &both)?;
    let fd = group(0)?;
    mark(fd, ADD, OPEN | ON_CHILD, "d")?;
    mark(fd, ADD, CLOSE_NOWRITE, "d/f")?;
    touch("d/f")?;
    hears(
        t,
        fd,
        "both marks tell once",
        &[(OPEN | CLOSE_NOWRITE, "f")],
    );
    mark(fd, REMOVE, ON_CHILD, "d")?;
    touch("d/f")?;
    hears(t, fd, "no longer of children", &[(CLOSE_NOWRITE, "f")]);
    mark(fd, ADD, ACCESS | ONDIR, "d")?;
    let names = std::fs::read_dir("d").map_err(|error| error.to_string())?;
    t.same("names", names.count(), 2);
    let saw = named(fd);
    let read = saw
        .iter()
        .any(|(mask, name)| mask & ACCESS != 0 && name == "d");
    t.check("a folder that is read", read);
    Ok(())
}
