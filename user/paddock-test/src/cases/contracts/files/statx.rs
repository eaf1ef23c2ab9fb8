//! statx(2) and fstatat(2).
use crate::cases::contracts::prelude::*;

fn get(path: &CStr, flags: i32, mask: u32) -> Result<statx, Errno> {
    // SAFETY: plain numbers.
    let mut found: statx = unsafe { std::mem::zeroed() };
    raw!(
        SYS_statx,
        AT_FDCWD,
        path.as_ptr(),
        flags,
        mask,
        &raw mut found
    )?;
    Ok(found)
}

pub fn run(t: &mut Report) -> Outcome {
    const BASIC: u32 = 0x7ff;
    file("f", b"abc")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"l".as_ptr()););
    let found = get(c"f", 0, BASIC)?;
    t.same("all of it is there", found.stx_mask & BASIC, BASIC);
    t.same("size", found.stx_size, 3);
    t.same("kind", u32::from(found.stx_mode) & S_IFMT, S_IFREG);
    let link = get(c"l", AT_SYMLINK_NOFOLLOW, BASIC)?;
    t.same("a link's size", link.stx_size, 1);
    t.same("not asked for, and told", get(c"f", 0, 0)?.stx_size, 3);
    t.refused(
        "a mask of the future",
        get(c"f", 0, 0x8000_0000).map(|_| ()),
        EINVAL,
    );
    t.refused(
        "both ways to sync",
        get(c"f", 0x6000, BASIC).map(|_| ()),
        EINVAL,
    );
    t.refused("a flag", get(c"f", 1, BASIC).map(|_| ()), EINVAL);
    t.refused("nothing", get(c"", 0, BASIC).map(|_| ()), ENOENT);
    t.same(
        "here",
        get(c"", AT_EMPTY_PATH, BASIC).map(|it| u32::from(it.stx_mode) & S_IFMT),
        Ok(S_IFDIR),
    );
    t.works("not to sync", get(c"f", 0x4000, BASIC).map(|_| ()));
    let stat = raw!(SYS_newfstatat, AT_FDCWD, c"f".as_ptr(), 8, 0);
    t.refused("nowhere", stat, EFAULT);
    t.refused(
        "fstatat's flag",
        raw!(SYS_newfstatat, AT_FDCWD, c"f".as_ptr(), 8, 1),
        EINVAL,
    );
    Ok(())
}
