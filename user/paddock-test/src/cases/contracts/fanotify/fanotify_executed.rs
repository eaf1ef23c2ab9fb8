//! fanotify(7): FAN_OPEN_EXEC and FAN_OPEN_EXEC_PERM.
use super::*;

/// Executes a program that does nothing.
fn execute() -> i32 {
    let path = word("program");
    let words = [path.as_ptr(), c"true".as_ptr(), null()];
    // SAFETY: a list that ends.
    unsafe { execv(path.as_ptr(), words.as_ptr()) };
    match sys::errno() {
        EPERM => 77,
        _ => 78,
    }
}

pub fn run(t: &mut Report) -> Outcome {
    std::fs::copy("/proc/self/exe", "program").map_err(|error| error.to_string())?;
    yes!(t; "a program": chmod(c"program".as_ptr(), 0o755););
    let fd = group(0)?;
    mark(fd, ADD, OPEN | OPEN_EXEC, "program")?;
    touch("program")?;
    hears(t, fd, "opened", &[(OPEN, "program")]);
    sys::in_child(execute)?;
    hears(t, fd, "executed", &[(OPEN | OPEN_EXEC, "program")]);
    mark(fd, REMOVE, OPEN, "program")?;
    touch("program")?;
    hears(t, fd, "merely opened", &[]);
    sys::in_child(execute)?;
    hears(t, fd, "executed again", &[(OPEN_EXEC, "program")]);
    sys::close(fd)?;
    let fd = group(CONTENT)?;
    mark(fd, ADD, OPEN_EXEC_PERM, "program")?;
    t.works("it may be opened", opened("program", O_RDONLY));
    let child = sys::fork(execute)?;
    until(fd, 1)?;
    let event = heard(fd).pop().ok_or("none")?;
    t.same("asked", event.mask, OPEN_EXEC_PERM);
    respond(fd, event.fd, DENY)?;
    t.same("but not executed", sys::wait(child), Ok(End::Exited(77)));
    Ok(())
}
