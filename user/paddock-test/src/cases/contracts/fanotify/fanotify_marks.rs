//! fanotify(7): marks of inodes, mounts and filesystems, and how they add up.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    file("d/f", b"text")?;
    file("d/g", b"text")?;
    let (inode, mounts, whole) = (group(0)?, group(0)?, group(0)?);
    mark(inode, ADD, OPEN | CLOSE_NOWRITE, "d/f")?;
    mark(mounts, ADD | MOUNT, OPEN, "d/f")?;
    mark(whole, ADD | FILESYSTEM, OPEN, "d")?;
    touch("d/f")?;
    touch("d/g")?;
    hears(t, inode, "one file", &[(OPEN | CLOSE_NOWRITE, "f")]);
    let both = [(OPEN, "f"), (OPEN, "g")];
    hears(t, mounts, "a mount", &both);
    hears(t, whole, "a filesystem", &both);
    folder("e")?;
    yes!(t; "another mount of it": mount(c"d".as_ptr(), c"e".as_ptr(), null(), MS_BIND, null()););
    touch("e/g")?;
    hears(t, inode, "the other file", &[]);
    hears(t, mounts, "by the other mount", &[]);
    hears(t, whole, "of the same filesystem", &[(OPEN, "g")]);
    mark(mounts, ADD, CLOSE_NOWRITE, "d/g")?;
    touch("d/g")?;
    hears(
        t,
        mounts,
        "two marks tell once",
        &[(OPEN | CLOSE_NOWRITE, "g")],
    );
    mark(inode, ADD, MODIFY | ACCESS, "d/f")?;
    mark(inode, REMOVE, OPEN, "d/f")?;
    let fd = opened("d/f", O_RDWR)?;
    sys::read(fd, &mut [0; 2])?;
    sys::write(fd, b"x")?;
    hears(t, inode, "others from now on", &[(ACCESS | MODIFY, "f")]);
    yes!(t; "cut": ftruncate(fd, 1););
    hears(t, inode, "is nothing that is told", &[]);
    sys::close(fd)?;
    mark(inode, REMOVE, MODIFY | ACCESS | CLOSE_NOWRITE, "d/f")?;
    t.refused("none left", mark(inode, REMOVE, OPEN, "d/f"), ENOENT);
    mark(mounts, FLUSH | MOUNT, 0, "d")?;
    heard(mounts);
    touch("d/g")?;
    hears(
        t,
        mounts,
        "only the mount's is gone",
        &[(CLOSE_NOWRITE, "g")],
    );
    mark(mounts, FLUSH, 0, "d")?;
    touch("d/g")?;
    hears(t, mounts, "and the other", &[]);
    Ok(())
}
