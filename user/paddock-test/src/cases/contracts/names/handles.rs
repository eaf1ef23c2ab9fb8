//! name_to_handle_at(2), open_by_handle_at(2): files without their names.
use crate::cases::contracts::prelude::*;

const ROOM: u32 = 128;
const BYTES: usize = 128;

/// `struct file_handle` with room for all handles.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; BYTES],
}

impl Handle {
    fn with_room(bytes: u32) -> Handle {
        Handle {
            bytes,
            kind: 0,
            data: [0; BYTES],
        }
    }
}

fn named(at: i32, path: &CStr, flags: i32) -> Result<(Handle, i32), Errno> {
    let mut handle = Handle::with_room(ROOM);
    let mut mount = 0i32;
    let (to, id) = (&raw mut handle, &raw mut mount);
    int!(SYS_name_to_handle_at, at, path.as_ptr(), to, id, flags)?;
    Ok((handle, mount))
}

fn of(path: &CStr) -> Result<Handle, Errno> {
    named(AT_FDCWD, path, 0).map(|(handle, _)| handle)
}

fn by(at: i32, handle: &Handle, flags: i32) -> Result<i32, Errno> {
    int!(SYS_open_by_handle_at, at, &raw const *handle, flags)
}

fn naming(t: &mut Report) -> Outcome {
    let (file, mount) = named(AT_FDCWD, c"d/f", 0)?;
    t.check("a few bytes", file.bytes > 0 && file.bytes < ROOM);
    t.same("always the same", of(c"d/f"), Ok(file));
    t.check("of a name", of(c"d/g").is_ok_and(|other| other != file));
    let lines = text("/proc/self/mountinfo");
    let line = lines
        .lines()
        .find(|line| line.starts_with(&format!("{mount} ")));
    t.check(
        "the mount is told",
        line.is_some_and(|line| line.contains("/d ")),
    );
    t.check(
        "a link is itself",
        of(c"d/l").is_ok_and(|other| other != file),
    );
    let followed = named(AT_FDCWD, c"d/l", AT_SYMLINK_FOLLOW);
    t.same("or what it names", followed.map(|it| it.0), Ok(file));
    let fd = opened("d/f", O_PATH)?;
    let own = named(fd, c"", AT_EMPTY_PATH);
    t.same("a descriptor", own.map(|it| it.0), Ok(file));
    let mut small = Handle::with_room(0);
    let mut id = 0i32;
    let path = c"d/f".as_ptr();
    let asked = int!(
        SYS_name_to_handle_at,
        AT_FDCWD,
        path,
        &raw mut small,
        &raw mut id,
        0
    );
    t.refused("no room", asked, EOVERFLOW);
    t.same("so much is needed", small.bytes, file.bytes);
    t.same("in that mount", id, mount);
    let mut large = Handle::with_room(ROOM + 1);
    let asked = int!(
        SYS_name_to_handle_at,
        AT_FDCWD,
        path,
        &raw mut large,
        &raw mut id,
        0
    );
    t.refused("too much room", asked, EINVAL);
    let asked = int!(SYS_name_to_handle_at, AT_FDCWD, path, 8, &raw mut id, 0);
    t.refused("nowhere", asked, EFAULT);
    let mut good = Handle::with_room(ROOM);
    let asked = int!(SYS_name_to_handle_at, AT_FDCWD, path, &raw mut good, 8, 0);
    t.refused("its mount nowhere", asked, EFAULT);
    t.refused("all flags", named(AT_FDCWD, c"d/f", -1), EINVAL);
    t.refused("no name", named(AT_FDCWD, c"", 0), ENOENT);
    t.refused("nothing there", of(c"d/no"), ENOENT);
    t.refused("not open", named(-1, c"f", 0), EBADF);
    t.refused(
        "no folder",
        named(opened("d/f", O_RDONLY)?, c"x", 0),
        ENOTDIR,
    );
    t.refused("of no process", of(c"/proc/self/status"), EOPNOTSUPP);
    Ok(())
}

fn opening(t: &mut Report) -> Outcome {
    let file = of(c"d/f")?;
    let d = opened("d", O_RDONLY)?;
    let fd = by(d, &file, O_RDWR)?;
    t.same("the same file", stat_of(fd)?.st_ino, status("d/f")?.st_ino);
    t.same("is read", sys::read(fd, &mut [0; 9]), Ok(4));
    t.works(
        "by any file of its filesystem",
        by(opened("d/g", O_RDONLY)?, &file, O_RDONLY),
    );
    let folder = by(d, &of(c"d/in/deep")?, O_RDONLY)?;
    let link = std::fs::read_link(format!("/proc/self/fd/{folder}"));
    t.check(
        "a folder has its path",
        link.is_ok_and(|it| it.ends_with("d/in/deep")),
    );
    t.works(
        "and one above",
        call!(openat(folder, c"../../f".as_ptr(), O_RDONLY)),
    );
    t.works("or itself", by(d, &of(c"d")?, O_RDONLY));
    t.refused(
        "a folder is not written",
        by(d, &of(c"d/in")?, O_RDWR),
        EISDIR,
    );
    let link = of(c"d/l")?;
    t.refused("a link is not opened", by(d, &link, O_RDWR), ELOOP);
    t.works("but is a place", by(d, &link, O_PATH));
    t.refused("not open", by(-1, &file, O_RDWR), EBADF);
    t.refused(
        "merely a place",
        by(opened("d", O_PATH)?, &file, O_RDWR),
        EBADF,
    );
    t.works("not made", by(d, &file, O_RDWR | O_CREAT));
    t.refused(
        "as it is there",
        by(d, &file, O_RDWR | O_CREAT | O_EXCL),
        EEXIST,
    );
    t.refused("a folder never", by(d, &of(c"d/in")?, O_CREAT), EISDIR);
    let room = |bytes: u32| {
        let mut other = file;
        other.bytes = bytes;
        other
    };
    t.refused("of no bytes", by(d, &room(0), O_RDWR), EINVAL);
    t.refused("of too many", by(d, &room(ROOM + 1), O_RDWR), EINVAL);
    t.refused("nowhere", int!(SYS_open_by_handle_at, d, 8, O_RDWR), EFAULT);
    let mut other = file;
    other.data[0] ^= 0x55;
    t.refused("of another generation", by(d, &other, O_RDWR), ESTALE);
    let [read, _] = sys::pipe()?;
    t.refused("in a pipe", by(read, &file, O_RDWR), ESTALE);
    apart(t, |t| {
        become_nobody()?;
        t.refused("nobody may", by(d, &file, O_RDONLY), EPERM);
        Ok(())
    })?;
    sys::close(fd)?;
    yes!(t; "it goes": unlink(c"d/g".as_ptr()););
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null());
        "one": mount(tmpfs, c"d".as_ptr(), tmpfs, 0, null()););
    file("d/f", b"text")?;
    file("d/g", b"")?;
    folder("d/in")?;
    folder("d/in/deep")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"d/l".as_ptr()););
    naming(t)?;
    opening(t)?;
    file("d/h", b"")?;
    let gone = of(c"d/h")?;
    yes!(t; "taken away": unlink(c"d/h".as_ptr()););
    let d = opened("d", O_RDONLY)?;
    t.refused("is nowhere", by(d, &gone, O_RDONLY), ESTALE);
    Ok(())
}
