//! fanotify(7): permission events.
use super::*;

/// Answers so many events, each so; how it went, as an ending status.
fn answer(fd: i32, expected: &[(u64, u32)]) -> i32 {
    for &(mask, answer) in expected {
        let Ok(mut all) = heard_in(fd, HEAD) else {
            return 3;
        };
        let Some(event) = all.pop().filter(|event| event.mask == mask) else {
            return 4;
        };
        if respond(fd, event.fd, answer) != Ok(8) || sys::close(event.fd).is_err() {
            return 5;
        }
    }
    0
}

fn asked(t: &mut Report, class: u32) -> Outcome {
    let fd = int!(SYS_fanotify_init, class, O_RDONLY)?;
    mark(fd, ADD, OPEN_PERM | ACCESS_PERM, "f")?;
    let answers = [
        (OPEN_PERM, ALLOW),
        (ACCESS_PERM, ALLOW),
        (ACCESS_PERM, DENY),
        (OPEN_PERM, DENY),
    ];
    let child = sys::fork(|| answer(fd, &answers))?;
    let it = opened("f", O_RDWR)?;
    t.same("one may", sys::read(it, &mut [0; 2]), Ok(2));
    t.refused("or not", sys::read(it, &mut [0; 2]), EPERM);
    t.same("writing is nobody's business", sys::write(it, b"x"), Ok(1));
    t.refused("not open", opened("f", O_RDONLY), EPERM);
    t.same("all were asked", sys::wait(child), Ok(End::Exited(0)));
    sys::close(fd)?;
    t.works("nobody is asked any more", opened("f", O_RDONLY));
    sys::close(it)?;
    Ok(())
}

fn answers(t: &mut Report) -> Outcome {
    let fd = group(CONTENT)?;
    t.refused("too short", sys::write(fd, &[0; 7]), EINVAL);
    t.refused("no answer", respond(fd, 1, 0), EINVAL);
    t.refused("another", respond(fd, 1, 3), EINVAL);
    t.refused("of none", respond(fd, -1, ALLOW), EINVAL);
    t.refused("nobody asked", respond(fd, 77, ALLOW), ENOENT);
    t.refused("nowhere", int!(SYS_write, fd, 8, 8), EFAULT);
    mark(fd, ADD, OPEN_PERM, "f")?;
    let child = sys::fork(|| unless(opened("f", O_RDONLY).is_ok()))?;
    until(fd, 1)?;
    let event = heard(fd).pop().ok_or("none")?;
    t.same("who asks", event.pid, child);
    t.refused("not one", respond(fd, event.fd + 1, ALLOW), ENOENT);
    t.same("answered", respond(fd, event.fd, ALLOW), Ok(8));
    t.refused("once", respond(fd, event.fd, ALLOW), ENOENT);
    t.same("it goes on", sys::wait(child), Ok(End::Exited(0)));
    sys::close(fd)?;
    Ok(())
}

/// Those of a higher class are asked first, and the others then hear of nothing.
fn classes(t: &mut Report) -> Outcome {
    let (first, second) = (group(PRE_CONTENT)?, group(CONTENT)?);
    for fd in [second, first] {
        mark(fd, ADD, OPEN_PERM, "f")?;
    }
    let child = sys::fork(|| unless(opened("f", O_RDONLY) == Err(Errno(EPERM))))?;
    until(first, 1)?;
    hears(t, second, "not yet", &[]);
    let event = heard(first).pop().ok_or("none")?;
    respond(first, event.fd, ALLOW)?;
    sys::close(event.fd)?;
    until(second, 1)?;
    let event = heard(second).pop().ok_or("none")?;
    respond(second, event.fd, DENY)?;
    t.same("refused", sys::wait(child), Ok(End::Exited(0)));
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"some text")?;
    asked(t, CONTENT)?;
    asked(t, PRE_CONTENT)?;
    answers(t)?;
    classes(t)
}
