//! FD_CLOEXEC: which descriptors execve(2) leaves open.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let kept = opened("f", O_RDWR)?;
    let closed = opened("f", O_RDWR | O_CLOEXEC)?;
    let [input, feed] = sys::pipe()?;
    let [result, output] = sys::pipe()?;
    let child = sys::fork(|| {
        let ready = call!(dup2(input, 0)).is_ok() && call!(dup2(output, 1)).is_ok();
        let word = call!(dup(kept)).and_then(|it| call!(fcntl(it, F_SETFD, FD_CLOEXEC)));
        if ready && word.is_ok() {
            sys::exec_self(&["hash-stream"]);
        }
        1
    })?;
    sys::close(input)?;
    sys::close(output)?;
    let place = |fd: i32| format!("/proc/{child}/fd/{fd}");
    sys::until(|| status(&place(closed)).is_err())?;
    t.check("what is not marked stays", status(&place(kept)).is_ok());
    t.check("standard input", status(&place(0)).is_ok());
    t.check("a marked pipe is closed", status(&place(feed)).is_err());
    let open = std::fs::read_dir(format!("/proc/{child}/fd")).map_err(|error| error.to_string())?;
    let file = stat_of(kept)?.st_ino;
    // SAFETY: plain numbers.
    let mut it: libc::stat = unsafe { std::mem::zeroed() };
    let of_file = open.flatten().filter(|entry| {
        let path = sys::path(&entry.path());
        call!(stat(path.as_ptr(), &raw mut it)).is_ok() && it.st_ino == file
    });
    t.same("one of three is left", of_file.count(), 1);
    sys::kill(child, SIGKILL)?;
    sys::wait(child)?;
    sys::close(result)?;
    Ok(())
}
