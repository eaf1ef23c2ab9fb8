//! inotify(7): which calls tell of what, with which names.
use crate::cases::contracts::prelude::*;

/// All that has come: masks and names.
fn events(fd: i32) -> Vec<(u32, String)> {
    let mut bytes = [0u8; 4096];
    let count = sys::read(fd, &mut bytes).unwrap_or(0);
    let mut all = Vec::new();
    let mut rest = &bytes[..count];
    while rest.len() >= 16 {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap_or_default());
        let (mask, length) = (word(4), word(12) as usize);
        let name = rest[16..16 + length].split(|byte| *byte == 0).next();
        let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
        all.push((mask, name));
        rest = &rest[16 + length..];
    }
    all
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("d/f", b"abc")?;
    let fd = call!(inotify_init1(IN_NONBLOCK | IN_CLOEXEC))?;
    yes!(t; "a folder": inotify_add_watch(fd, c"d".as_ptr(), IN_ALL_EVENTS););
    let mut saw = |what: &str, expected: &[(u32, &str)]| {
        let expected: Vec<_> = expected.iter().map(|it| (it.0, it.1.to_owned())).collect();
        t.same(what, events(fd), expected);
    };
    let it = opened("d/f", O_RDWR)?;
    saw("open", &[(IN_OPEN, "f")]);
    sys::read(it, &mut [0; 2])?;
    saw("read", &[(IN_ACCESS, "f")]);
    sys::read(it, &mut [0; 2])?;
    sys::write(it, b"x")?;
    saw("read and write", &[(IN_ACCESS, "f"), (IN_MODIFY, "f")]);
    sys::write(it, b"x")?;
    sys::write(it, b"x")?;
    saw("the same twice is one", &[(IN_MODIFY, "f")]);
    call!(ftruncate(it, 1))?;
    saw("a cut", &[(IN_MODIFY, "f")]);
    sys::close(it)?;
    saw("close after writing", &[(IN_CLOSE_WRITE, "f")]);
    sys::close(opened("d/f", O_RDONLY)?)?;
    saw(
        "close after reading",
        &[(IN_OPEN, "f"), (IN_CLOSE_NOWRITE, "f")],
    );
    call!(chmod(c"d/f".as_ptr(), 0o600))?;
    saw("a mode", &[(IN_ATTRIB, "f")]);
    call!(link(c"d/f".as_ptr(), c"d/g".as_ptr()))?;
    saw("a link", &[(IN_CREATE, "g")]);
    call!(mkdir(c"d/e".as_ptr(), 0o700))?;
    saw("a folder", &[(IN_CREATE | IN_ISDIR, "e")]);
    sys::close(call!(creat(c"d/h".as_ptr(), 0o600))?)?;
    saw(
        "a file",
        &[(IN_CREATE, "h"), (IN_OPEN, "h"), (IN_CLOSE_WRITE, "h")],
    );
    call!(rename(c"d/h".as_ptr(), c"d/i".as_ptr()))?;
    saw("renamed", &[(IN_MOVED_FROM, "h"), (IN_MOVED_TO, "i")]);
    call!(rename(c"d/i".as_ptr(), c"i".as_ptr()))?;
    saw("moved away", &[(IN_MOVED_FROM, "i")]);
    call!(rename(c"i".as_ptr(), c"d/e/i".as_ptr()))?;
    saw("to elsewhere", &[]);
    call!(unlink(c"d/g".as_ptr()))?;
    saw("removed", &[(IN_DELETE, "g")]);
    call!(rename(c"d".as_ptr(), c"c".as_ptr()))?;
    saw("itself renamed", &[(IN_MOVE_SELF, "")]);
    call!(unlink(c"c/e/i".as_ptr()))?;
    call!(rmdir(c"c/e".as_ptr()))?;
    saw("a folder removed", &[(IN_DELETE | IN_ISDIR, "e")]);
    call!(unlink(c"c/f".as_ptr()))?;
    call!(rmdir(c"c".as_ptr()))?;
    saw(
        "itself",
        &[(IN_DELETE, "f"), (IN_DELETE_SELF, ""), (IN_IGNORED, "")],
    );
    Ok(())
}
