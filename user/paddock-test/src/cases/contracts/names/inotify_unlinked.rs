//! inotify(7): IN_EXCL_UNLINK, and an overflow.
use crate::cases::contracts::prelude::*;

/// The masks of all that has come.
fn masks(fd: i32) -> Vec<u32> {
    let mut bytes = vec![0u8; 65_536];
    let mut all = Vec::new();
    while let Ok(count) = sys::read(fd, &mut bytes) {
        let mut rest = &bytes[..count];
        while rest.len() >= 16 {
            let word =
                |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap_or_default());
            all.push(word(4));
            rest = &rest[16 + word(12) as usize..];
        }
    }
    all
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("d/g", b"")?;
    let fd = call!(inotify_init1(IN_NONBLOCK))?;
    let watch = |name: &CStr, mask: u32| call!(inotify_add_watch(fd, name.as_ptr(), mask));
    let it = opened("d/g", O_WRONLY)?;
    watch(c"d", IN_MODIFY)?;
    yes!(t; "another's name": unlink(c"d/g".as_ptr()););
    sys::write(it, b"x")?;
    t.same("its folder tells of it", masks(fd), vec![IN_MODIFY]);
    watch(c"d", IN_MODIFY | IN_EXCL_UNLINK)?;
    sys::write(it, b"x")?;
    t.same("not with IN_EXCL_UNLINK", masks(fd), vec![]);
    let most: usize = text("/proc/sys/fs/inotify/max_queued_events")
        .trim()
        .parse()
        .unwrap_or(0);
    t.check("so many are kept", most > 0);
    file("d/a", b"")?;
    watch(c"d", IN_OPEN | IN_CLOSE)?;
    for _ in 0..most / 2 + 1 {
        sys::close(opened("d/a", O_RDONLY)?)?;
    }
    let all = masks(fd);
    t.same("and one", all.len(), most + 1);
    t.same(
        "that says that more were lost",
        all.last().copied(),
        Some(IN_Q_OVERFLOW),
    );
    Ok(())
}
