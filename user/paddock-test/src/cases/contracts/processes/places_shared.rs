//! clone(2): CLONE_FS: root, working directory and mode mask of two processes.
use crate::cases::contracts::prelude::*;

fn child(flags: i32, body: impl FnOnce() -> i32) -> Result<End, Errno> {
    let pid = raw!(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0)? as i32;
    if pid == 0 {
        let status = body();
        let _ = raw!(SYS_exit_group, status);
        std::process::abort()
    }
    sys::wait(pid)
}

/// The mask, which stays as it is.
fn mask() -> mode_t {
    // SAFETY: plain numbers.
    unsafe {
        let now = libc::umask(0);
        libc::umask(now);
        now
    }
}

fn here() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    here.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Goes to another folder, with another mask.
fn moves(name: &CStr, mask: mode_t) -> i32 {
    // SAFETY: plain numbers.
    unsafe { libc::umask(mask) };
    unless(call!(chdir(name.as_ptr())).is_ok())
}

pub fn run(t: &mut Report) -> Outcome {
    folder("one")?;
    folder("one/two")?;
    let (begun, old) = (here(), mask());
    t.same(
        "a fork moves alone",
        child(0, || moves(c"one", 0o70)),
        Ok(End::Exited(0)),
    );
    t.same("this one is where it was", (here(), mask()), (begun, old));
    let moved = child(CLONE_FS, || moves(c"one", 0o70));
    t.same("with CLONE_FS", moved, Ok(End::Exited(0)));
    t.same("both are there", (here(), mask()), ("one".to_owned(), 0o70));
    let apart = child(CLONE_FS, || match call!(unshare(CLONE_FS)) {
        Ok(_) => moves(c"two", 0o7),
        Err(_) => 2,
    });
    t.same("unshared again", apart, Ok(End::Exited(0)));
    t.same("each is alone", (here(), mask()), ("one".to_owned(), 0o70));
    let through = child(CLONE_FS, || {
        let inner = child(CLONE_FS, || moves(c"two", 0o7));
        i32::from(inner != Ok(End::Exited(0)) || here() != "two")
    });
    t.same("three", through, Ok(End::Exited(0)));
    t.same("are together", (here(), mask()), ("two".to_owned(), 0o7));
    let namespace = child(CLONE_FS, || {
        let held = child(CLONE_FS | CLONE_NEWNS, || 0);
        i32::from(held != Err(Errno(EINVAL)))
    });
    t.same("not with other mounts", namespace, Ok(End::Exited(0)));
    Ok(())
}
