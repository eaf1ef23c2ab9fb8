//! fanotify_init(2), fanotify_mark(2): those without CAP_SYS_ADMIN.
use super::*;

fn as_nobody(t: &mut Report, pid: i32) -> Outcome {
    for flags in [
        0,
        CONTENT,
        TID,
        PIDFD | FID,
        TID | FID,
        UNLIMITED_QUEUE | FID,
        UNLIMITED_MARKS | FID,
    ] {
        t.refused("a group", group(flags), EPERM);
    }
    let fd = group(FID)?;
    t.refused("of a mount", mark(fd, ADD | MOUNT, OPEN, "d"), EPERM);
    t.refused(
        "of a filesystem",
        mark(fd, ADD | FILESYSTEM, OPEN, "d"),
        EPERM,
    );
    t.refused(
        "what it cannot read",
        mark(fd, ADD, OPEN, "d/secret"),
        EACCES,
    );
    t.works("a file", mark(fd, ADD, OPEN | CLOSE_NOWRITE, "d/f"));
    touch("d/f")?;
    let event = heard(fd).pop().ok_or("none")?;
    t.same("who it was", (event.fd, event.pid), (-1, own_pid()));
    let end = sys::in_child(|| unless(touch("d/f").is_ok()));
    t.same("a child", end, Ok(End::Exited(0)));
    let event = heard(fd).pop().ok_or("none")?;
    t.same("is nobody", (event.fd, event.pid), (-1, 0));
    t.check("another", pid != own_pid());
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    for name in ["d/f", "d/secret"] {
        file(name, b"")?;
    }
    call!(chmod(c"d/f".as_ptr(), 0o644))?;
    call!(chmod(c"d/secret".as_ptr(), 0o600))?;
    call!(chmod(c"d".as_ptr(), 0o755))?;
    call!(chdir(c"d".as_ptr()))?;
    call!(mkdir(c"d".as_ptr(), 0o755))?;
    for name in ["f", "secret"] {
        call!(rename(
            word(name).as_ptr(),
            word(&format!("d/{name}")).as_ptr()
        ))?;
    }
    let pid = own_pid();
    let end = sys::in_child(|| {
        let mut own = Report::new();
        let done = become_user(65534, 65534).map_err(String::from);
        if done.and_then(|()| as_nobody(&mut own, pid)).is_err() {
            return 2;
        }
        i32::from(own.has_failed())
    })?;
    t.same("nobody", end, End::Exited(0));
    Ok(())
}
