//! statx(2): the mount's number, attributes.
use crate::cases::contracts::prelude::*;

fn get(path: &CStr, flags: i32, mask: u32) -> Result<libc::statx, Errno> {
    // SAFETY: plain numbers.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
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
    const MNT_ID: u32 = 0x1000;
    const ROOT: u64 = 0x2000;
    file("f", b"abc")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"l".as_ptr());
        "a device": mknod(c"c".as_ptr(), S_IFCHR | 0o600, makedev(1, 3)););
    let found = get(c"f", 0, 0xfff)?;
    let root = get(c"/", 0, MNT_ID)?;
    t.same("a mount's number", root.stx_mask & MNT_ID, MNT_ID);
    let told = text("/proc/self/mountinfo");
    let numbers: Vec<u64> = (told.lines())
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect();
    t.check("is in the list", numbers.contains(&root.stx_mnt_id));
    t.same(
        "a root's attribute is known",
        root.stx_attributes_mask & ROOT,
        ROOT,
    );
    t.same("it is one", root.stx_attributes & ROOT, ROOT);
    t.same("a file is not", found.stx_attributes & ROOT, 0);
    let device = get(c"c", 0, 0x7ff)?;
    t.same(
        "a device",
        (device.stx_rdev_major, device.stx_rdev_minor),
        (1, 3),
    );
    let link = get(c"l", AT_SYMLINK_NOFOLLOW, 0x7ff)?;
    t.same("a link", u32::from(link.stx_mode), S_IFLNK | 0o777);
    let (own, same) = (stat_of(call!(open(c"f".as_ptr(), O_RDONLY))?)?, found);
    t.same(
        "the same file",
        (own.st_ino, own.st_blksize as u32),
        (same.stx_ino, same.stx_blksize),
    );
    t.same(
        "on the same disk",
        own.st_dev,
        makedev(same.stx_dev_major, same.stx_dev_minor),
    );
    t.refused(
        "a closed folder",
        raw!(
            SYS_statx,
            999,
            c"f".as_ptr(),
            0,
            0x7ff,
            &raw mut *Box::new(found)
        ),
        EBADF,
    );
    t.refused(
        "told nowhere",
        raw!(SYS_statx, AT_FDCWD, c"f".as_ptr(), 0, 0x7ff, 8),
        EFAULT,
    );
    t.refused(
        "named nowhere",
        raw!(SYS_statx, AT_FDCWD, 8, 0, 0x7ff, &raw mut *Box::new(found)),
        EFAULT,
    );
    Ok(())
}
