//! fanotify_mark(2): what marks leave out.
use super::*;

fn write_to(name: &str) -> Outcome {
    let fd = opened(name, O_WRONLY)?;
    sys::write(fd, b"x")?;
    sys::close(fd)?;
    Ok(())
}

fn old(t: &mut Report) -> Outcome {
    let fd = group(0)?;
    mark(fd, ADD | MOUNT, OPEN | CLOSE_WRITE, "d")?;
    mark(fd, ADD | IGNORED_MASK, OPEN, "d/f")?;
    touch("d/f")?;
    touch("d/g")?;
    hears(t, fd, "one is left out", &[(OPEN, "g")]);
    write_to("d/f")?;
    hears(t, fd, "until it is written", &[(CLOSE_WRITE, "f")]);
    touch("d/f")?;
    hears(t, fd, "from then on it is not", &[(OPEN, "f")]);
    mark(fd, ADD | IGNORED_MASK | SURV_MODIFY, OPEN, "d/f")?;
    write_to("d/f")?;
    touch("d/f")?;
    hears(t, fd, "unless that survives", &[(CLOSE_WRITE, "f")]);
    mark(fd, REMOVE | IGNORED_MASK, OPEN, "d/f")?;
    touch("d/f")?;
    hears(t, fd, "taken back", &[(OPEN, "f")]);
    let writer = opened("d/f", O_WRONLY)?;
    heard(fd);
    t.works(
        "of one that is written",
        mark(fd, ADD | IGNORED_MASK, OPEN, "d/f"),
    );
    touch("d/f")?;
    hears(t, fd, "it does not last", &[(OPEN, "f")]);
    sys::close(writer)?;
    heard(fd);
    mark(fd, ADD | IGNORED_MASK, OPEN, "d")?;
    touch("d/g")?;
    hears(t, fd, "a folder's is not its files'", &[(OPEN, "g")]);
    mark(fd, ADD | IGNORED_MASK | MOUNT, OPEN, "d")?;
    touch("d/g")?;
    hears(t, fd, "a mount's is", &[]);
    sys::close(fd)?;
    Ok(())
}

fn new(t: &mut Report) -> Outcome {
    let fd = group(0)?;
    let ignore = IGNORE | SURV_MODIFY;
    mark(fd, ADD | MOUNT, OPEN | ONDIR, "d")?;
    mark(fd, ADD | ignore, OPEN, "d/e")?;
    touch("d/e")?;
    touch("d/e/h")?;
    hears(
        t,
        fd,
        "a folder is not left out",
        &[(OPEN, "e"), (OPEN, "h")],
    );
    mark(fd, ADD | ignore, OPEN | ONDIR, "d/e")?;
    touch("d/e")?;
    touch("d/e/h")?;
    hears(t, fd, "now it is", &[(OPEN, "h")]);
    mark(fd, ADD | ignore, OPEN | ON_CHILD, "d/e")?;
    touch("d/e/h")?;
    touch("d/g")?;
    hears(t, fd, "and what is in it", &[(OPEN, "g")]);
    t.refused(
        "not as before",
        mark(fd, ADD | IGNORED_MASK, OPEN, "d/e"),
        EEXIST,
    );
    mark(fd, ADD | ignore, OPEN, "d/f")?;
    t.refused("it survives", mark(fd, ADD | IGNORE, OPEN, "d/f"), EEXIST);
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    folder("d/e")?;
    for name in ["d/f", "d/g", "d/e/h"] {
        file(name, b"")?;
    }
    old(t)?;
    new(t)
}
