//! fanotify(7): fs.fanotify.max_user_groups and max_user_marks.
use super::*;

const SOMEBODY: u32 = 45_680;

/// With another value of a setting.
fn with(name: &str, value: &str, body: impl FnOnce() -> Outcome) -> Outcome {
    let name = format!("/proc/sys/fs/fanotify/{name}");
    let before = text(&name);
    file(&name, value.as_bytes())?;
    let done = body();
    file(&name, before.as_bytes())?;
    done
}

/// In a child, which is somebody else.
fn as_somebody(t: &mut Report, body: impl FnOnce(&mut Report) -> Outcome) -> Outcome {
    let end = sys::in_child(|| {
        let mut own = Report::new();
        if become_user(SOMEBODY, SOMEBODY).is_err() || body(&mut own).is_err() {
            return 2;
        }
        i32::from(own.has_failed())
    })?;
    t.same("somebody", end, End::Exited(0));
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    for name in ["d/a", "d/b", "d/c"] {
        file(name, b"")?;
        call!(chmod(word(name).as_ptr(), 0o644))?;
    }
    call!(chmod(c"d".as_ptr(), 0o755))?;
    let files = ["a", "b", "c"].map(|name| opened(&format!("d/{name}"), O_RDONLY));
    let at = |fd: i32, how: u32, which: usize| {
        let file = files[which]?;
        int!(SYS_fanotify_mark, fd, how, OPEN, file, 0)
    };
    with("max_user_groups", "2", || {
        as_somebody(t, |t| {
            let first = group(FID)?;
            t.works("two", group(FID));
            t.refused("not three", group(FID), EMFILE);
            sys::close(first)?;
            t.works("another instead", group(FID));
            Ok(())
        })
    })?;
    with("max_user_marks", "2", || {
        as_somebody(t, |t| {
            let fd = group(FID)?;
            t.works("one", at(fd, ADD, 0));
            t.works("two", at(fd, ADD, 1));
            t.works("one of them again", at(fd, ADD, 0));
            t.refused("not three", at(fd, ADD, 2), ENOSPC);
            t.works("one less", at(fd, REMOVE, 0));
            t.works("another instead", at(fd, ADD, 2));
            Ok(())
        })
    })
}
