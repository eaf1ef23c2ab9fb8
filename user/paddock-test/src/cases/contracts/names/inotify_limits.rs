//! inotify(7): fs.inotify.max_user_instances and max_user_watches.
use crate::cases::contracts::prelude::*;

const SOMEBODY: u32 = 45_679;

fn setting(name: &str) -> String {
    format!("/proc/sys/fs/inotify/{name}")
}

/// With another value of a setting.
fn with(name: &str, value: &str, body: impl FnOnce() -> Outcome) -> Outcome {
    let before = text(&setting(name));
    file(&setting(name), value.as_bytes())?;
    let done = body();
    file(&setting(name), before.as_bytes())?;
    done
}

pub fn run(t: &mut Report) -> Outcome {
    for name in [
        "max_user_instances",
        "max_user_watches",
        "max_queued_events",
    ] {
        let most: u64 = text(&setting(name)).trim().parse().unwrap_or(0);
        t.check("a number", most >= 1);
    }
    with("max_user_instances", "2", || {
        apart(t, |t| {
            become_user(SOMEBODY, SOMEBODY)?;
            let first = call!(inotify_init1(0))?;
            t.works("two", call!(inotify_init1(0)));
            t.refused("not three", call!(inotify_init1(0)), EMFILE);
            sys::close(first)?;
            t.works("another instead", call!(inotify_init1(0)));
            Ok(())
        })
    })?;
    for name in ["a", "b", "c"] {
        file(name, b"")?;
        call!(chmod(word(name).as_ptr(), 0o644))?;
    }
    call!(chmod(c".".as_ptr(), 0o755))?;
    with("max_user_watches", "2", || {
        apart(t, |t| {
            let folder = call!(open(c".".as_ptr(), O_PATH))?;
            become_user(SOMEBODY, SOMEBODY)?;
            let fd = call!(inotify_init1(0))?;
            let watch = |name: &str| {
                let path = word(&format!("/proc/self/fd/{folder}/{name}"));
                call!(inotify_add_watch(fd, path.as_ptr(), IN_MODIFY))
            };
            let first = watch("a")?;
            t.works("two", watch("b"));
            t.works("one of them again", watch("a"));
            t.refused("not three", watch("c"), ENOSPC);
            yes!(t; "one less": inotify_rm_watch(fd, first););
            t.works("another instead", watch("c"));
            Ok(())
        })
    })
}
