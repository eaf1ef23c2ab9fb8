//! Mounts upon folders of /proc/PID go with the process (proc(5)).
use crate::cases::contracts::prelude::*;

fn listed(part: &str) -> bool {
    text("/proc/self/mounts").contains(part)
}

pub fn run(t: &mut Report) -> Outcome {
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null()););
    let child = sleeper()?;
    let at = format!("/proc/{child}/task");
    let place = word(&at);
    yes!(t; "upon its threads": mount(tmpfs, place.as_ptr(), tmpfs, 0, null()););
    t.check("it is there", listed(&at));
    t.works(
        "it is used",
        call!(mkdir(word(&format!("{at}/x")).as_ptr(), 0o700)),
    );
    sys::kill(child, SIGKILL)?;
    t.works("it ends", sys::wait(child).map(|_| 0));
    t.check("and so does the mount", !listed(&at));
    Ok(())
}
