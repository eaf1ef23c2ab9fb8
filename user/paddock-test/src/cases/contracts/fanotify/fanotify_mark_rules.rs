//! fanotify_mark(2): which marks there can be.
use super::*;

/// Groups, flags and events that are refused of a folder.
const REFUSED: &[(u32, u32, u64, i32)] = &[
    (0, ADD, 0, EINVAL),
    (0, REMOVE, 0, EINVAL),
    (0, 0, OPEN, EINVAL),
    (0, ADD | REMOVE, OPEN, EINVAL),
    (0, ADD | 0x800, OPEN, EINVAL),
    (0, ADD | MOUNT | FILESYSTEM, OPEN, EINVAL),
    (0, FLUSH | ONLYDIR, OPEN, EINVAL),
    (0, ADD, 0x2000, EINVAL),
    (0, ADD, 1 << 32 | OPEN, EINVAL),
    (0, ADD, Q_OVERFLOW, EINVAL),
    (0, ADD, OPEN_PERM, EINVAL),
    (0, ADD, CREATE, EINVAL),
    (0, ADD, ATTRIB, EINVAL),
    (FID, ADD | MOUNT, ATTRIB | DELETE_SELF, EINVAL),
    (FID | DIR_FID, ADD, RENAME, EINVAL),
    (0, ADD | MOUNT | EVICTABLE, OPEN, EINVAL),
    (0, ADD | IGNORE | IGNORED_MASK, OPEN, EINVAL),
    (0, ADD | IGNORE, OPEN, EISDIR),
    (0, ADD | IGNORE | MOUNT, OPEN, EINVAL),
    (0, ADD | IGNORE | FILESYSTEM, OPEN, EINVAL),
    (0, REMOVE, OPEN, ENOENT),
];

/// Those that are refused of a file.
const NOT_OF_FILES: &[(u32, u32, u64)] = &[
    (0, ONLYDIR, OPEN),
    (FID | DIR_FID | NAME | TARGET_FID, 0, DELETE),
    (FID | DIR_FID | NAME | TARGET_FID, 0, OPEN | ONDIR),
    (FID | DIR_FID | NAME | TARGET_FID, 0, OPEN | ON_CHILD),
    (DIR_FID | NAME, 0, RENAME),
    (DIR_FID | NAME, IGNORE | SURV_MODIFY, DELETE),
    (DIR_FID | NAME, IGNORE | SURV_MODIFY, OPEN | ONDIR),
    (DIR_FID | NAME, IGNORE | SURV_MODIFY, OPEN | ON_CHILD),
];

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    file("d/f", b"")?;
    for &(flags, how, mask, errno) in REFUSED {
        let fd = group(flags)?;
        t.refused("of a folder", mark(fd, how, mask, "d"), errno);
        sys::close(fd)?;
    }
    for &(flags, how, mask) in NOT_OF_FILES {
        let fd = group(flags)?;
        t.refused("of a file", mark(fd, ADD | how, mask, "d/f"), ENOTDIR);
        t.works("of a folder", mark(fd, ADD | how, mask, "d"));
        if how & ONLYDIR == 0 {
            let whole = ADD | FILESYSTEM | how;
            t.works("of a filesystem", mark(fd, whole, mask, "d/f"));
        }
        sys::close(fd)?;
    }
    let fd = group(0)?;
    t.refused("nothing there", mark(fd, ADD, OPEN, "d/no"), ENOENT);
    t.refused("no group", mark(1, ADD, OPEN, "d"), EINVAL);
    t.refused("not open", mark(999, ADD, OPEN, "d"), EBADF);
    let at = |dir: i32| int!(SYS_fanotify_mark, fd, ADD, OPEN, dir, 0);
    t.works("of a descriptor", at(opened("d/f", O_RDONLY)?));
    t.refused("not of a mere place", at(opened("d/f", O_PATH)?), EBADF);
    t.refused("of none", at(-1), EBADF);
    yes!(t; "a link": symlink(c"no".as_ptr(), c"d/l".as_ptr()););
    t.refused("followed", mark(fd, ADD, OPEN, "d/l"), ENOENT);
    t.works("or not", mark(fd, ADD | DONT_FOLLOW, OPEN, "d/l"));
    t.works("flushed", mark(fd, FLUSH, 0, "d"));
    t.refused("then there is none", mark(fd, REMOVE, OPEN, "d/f"), ENOENT);
    let asks = group(CONTENT)?;
    t.works("asked", mark(asks, ADD, OPEN_PERM, "d"));
    t.refused("not for names", mark(asks, ADD, CREATE, "d"), EINVAL);
    t.refused(
        "not of processes",
        mark(asks, ADD, OPEN_PERM, "/proc"),
        EINVAL,
    );
    t.works("which are told of", mark(asks, ADD, OPEN, "/proc"));
    Ok(())
}
