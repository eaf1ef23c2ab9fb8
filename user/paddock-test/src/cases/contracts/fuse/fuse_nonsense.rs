//! fuse(4): answers that make no sense.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    let program = usual()?;
    // What whoever asks hears, and what the program hears of its answer.
    for (name, error, refused) in [
        ("short", EIO, EINVAL),
        ("too-long", EIO, EINVAL),
        ("wrong-length", EXDEV, EINVAL),
        ("large-error", EXDEV, EINVAL),
        ("positive", EXDEV, EINVAL),
        ("error-and-more", EIO, EINVAL),
        ("unknown", EXDEV, ENOENT),
        ("twice", ENOENT, ENOENT),
        ("no-kind", EIO, 0),
        ("endless", EIO, 0),
        ("the-root", EIO, 0),
        ("nowhere", ENOENT, 0),
    ] {
        t.refused(name, status(&format!("m/{name}")), error);
        t.same(name, came_of(name), refused);
    }
    let fd = opened("m/long", O_RDONLY)?;
    t.refused("more than was asked for", sys::read(fd, &mut [0; 8]), EIO);
    t.same("is refused", came_of(&op::READ.to_string()), EINVAL);
    sys::close(fd)?;
    let fd = opened("m/says-more", O_WRONLY)?;
    t.refused("more than was given", sys::write(fd, b"four"), EIO);
    sys::close(fd)?;
    for (name, error) in [("slash", EIO), ("nameless", EIO)] {
        let found = std::fs::read_dir(format!("m/{name}"));
        let found = found.and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let found = found.map_err(|it| Errno(it.raw_os_error().unwrap_or(0)));
        t.refused(name, found, error);
    }
    let cut = std::fs::read_dir("m/cut").map(|entries| entries.count());
    t.same("an entry that is cut off is none", cut.ok(), Some(1));
    t.same("all else goes on", text("m/f"), "some text".to_owned());
    over(t, program)
}
