//! proc_pid_mountinfo(5): the device of a mount's filesystem, and what of that it shows.
use crate::cases::contracts::prelude::*;

/// The device, the root and the kind of what is mounted at a folder of this one.
fn told(name: &str) -> Vec<String> {
    let here = std::env::current_dir().unwrap_or_default().join(name);
    let here = here.to_string_lossy();
    let told = text("/proc/self/mountinfo");
    let mut lines = told.lines().map(|line| line.split(' '));
    let line = lines.rfind(|line| line.clone().nth(4) == Some(&here));
    let words: Vec<_> = line.into_iter().flatten().collect();
    let kind = words.iter().skip_while(|word| **word != "-").nth(1);
    let shown = words.iter().skip(2).take(2).chain(kind);
    shown.map(|word| (*word).to_owned()).collect()
}

/// The device of a file, as it is told there.
fn device(name: &str) -> String {
    let device = status(name).map_or(0, |status| status.st_dev);
    format!("{}:{}", libc::major(device), libc::minor(device))
}

pub fn run(t: &mut Report) -> Outcome {
    for name in ["a", "b", "c"] {
        folder(name)?;
    }
    yes!(t; "a table of its own": unshare(CLONE_NEWNS); "private": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null()););
    let bind = |from: &CStr, to: &CStr| {
        call!(mount(from.as_ptr(), to.as_ptr(), null(), MS_BIND, null())).map(drop)
    };
    let none = c"none".as_ptr();
    let made = call!(mount(none, c"a".as_ptr(), c"tmpfs".as_ptr(), 0, null()));
    t.works("a filesystem", made);
    let line = |root: &str| vec![device("a"), root.to_owned(), "tmpfs".to_owned()];
    t.same("its device, and all of it", told("a"), line("/"));
    t.check("which is not that below", device("a") != device("b"));
    folder("a/d")?;
    folder("a/d/with a space")?;
    t.works("a part of it", bind(c"a/d", c"b"));
    t.same("is told as such", told("b"), line("/d"));
    t.works("a part of that", bind(c"b/with a space", c"c"));
    t.same("where it is", told("c"), line("/d/with\\040a\\040space"));
    call!(rename(c"a/d".as_ptr(), c"a/e".as_ptr()))?;
    t.same("with the name that it has", told("b"), line("/e"));
    call!(rmdir(c"a/e/with a space".as_ptr()))?;
    t.same(
        "or has had",
        told("c"),
        line("/e/with\\040a\\040space//deleted"),
    );
    let places = [c"c", c"b", c"a"].map(|place| call!(umount2(place.as_ptr(), 0)).is_ok());
    t.same("unmounted", places, [true; 3]);
    Ok(())
}
