//! inotify(7): a child's watches, polls, and what /proc/PID/fdinfo lists.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("f", b"")?;
    let fd = call!(inotify_init1(0))?;
    let watch = call!(inotify_add_watch(fd, c"f".as_ptr(), IN_ATTRIB))?;
    call!(inotify_add_watch(fd, c"d".as_ptr(), IN_CREATE | IN_DELETE))?;
    let info = text(&format!("/proc/self/fdinfo/{fd}"));
    let lines: Vec<_> = info
        .lines()
        .filter(|line| line.starts_with("inotify "))
        .collect();
    t.same("a line for each", lines.len(), 2);
    let word = |line: &str, name: &str| {
        let mut words = line.split_whitespace();
        let word = words.find_map(|word| word.strip_prefix(name).map(str::to_owned));
        word.and_then(|word| u64::from_str_radix(&word, 16).ok())
    };
    let line = lines
        .iter()
        .find(|line| word(line, "wd:") == Some(watch as u64));
    let line = line.copied().unwrap_or_default();
    t.same(
        "its inode, in base 16",
        word(line, "ino:"),
        Some(status("f")?.st_ino as u64),
    );
    t.same(
        "its mask",
        word(line, "mask:").map(|it| it & 0xfff),
        Some(u64::from(IN_ATTRIB)),
    );
    t.same("nothing yet", ready(fd, POLLIN), Ok(0));
    let end = sys::in_child(|| unless(call!(chmod(c"f".as_ptr(), 0o600)).is_ok()));
    t.same("a child", end, Ok(End::Exited(0)));
    t.same("is told of", ready(fd, POLLIN), Ok(POLLIN));
    let end = sys::in_child(|| unless(call!(inotify_rm_watch(fd, watch)).is_ok()));
    t.same("a child takes a watch back", end, Ok(End::Exited(0)));
    no!(t; "it is gone here too": inotify_rm_watch(fd, watch) => EINVAL;);
    t.same("both are told of", sys::read(fd, &mut [0; 64]), Ok(32));
    let child = sys::fork(|| unless(sys::read(fd, &mut [0; 64]) == Ok(32)))?;
    sys::until_asleep(child)?;
    yes!(t; "made": mkdir(c"d/e".as_ptr(), 0o700););
    t.same("who waits is woken", sys::wait(child), Ok(End::Exited(0)));
    for name in ["max_user_watches", "max_queued_events"] {
        let limit: i64 = text(&format!("/proc/sys/fs/inotify/{name}"))
            .trim()
            .parse()
            .unwrap_or(0);
        t.check(name, limit > 0);
    }
    no!(t; "no bytes go in": write(fd, c"x".as_ptr().cast(), 1) => EBADF;
        "no flag": inotify_init1(1) => EINVAL;);
    Ok(())
}
