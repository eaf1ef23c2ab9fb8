//! Changes of mounts and of their filesystems.

use super::mounts::mounted;
use super::*;
use crate::{Cred, Reconfiguration};

fn remount(sh: &Shell, path: &[u8], flags: MountFlags, options: &str) -> Result<()> {
    let change = Reconfiguration {
        read_only: Some(flags.contains(MountFlags::RDONLY)),
        options,
        caller: &sh.1.cred,
        memory: 1 << 30,
    };
    sh.0.remount(&sh.1, path, flags, &change)
}

const READ_ONLY: MountFlags = MountFlags::RDONLY;
const NONE: MountFlags = MountFlags::empty();

fn open(sh: &Shell, path: &str) -> Arc<crate::OpenFile> {
    let flags = OpenFlags::RDWR | OpenFlags::CREAT;
    sh.0.open(&sh.1, path.as_bytes(), flags, 0o666).unwrap()
}

#[test]
fn a_mount_is_not_read_only_under_who_writes() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    let file = open(&sh, "/mnt/f");
    let only_this = |flags| sh.0.set_mount_flags(&sh.1, b"/mnt", flags);
    assert_eq!(only_this(READ_ONLY), Err(Errno::EBUSY));
    assert_eq!(remount(&sh, b"/mnt", READ_ONLY, ""), Err(Errno::EBUSY));
    assert!(sh.put("/mnt/g", "x").is_ok(), "nothing has changed");
    drop(file);
    assert_eq!(only_this(READ_ONLY), Ok(()));
    assert_eq!(sh.put("/mnt/g", "x"), Err(Errno::EROFS));
    assert_eq!(only_this(NONE), Ok(()));
    assert_eq!(sh.put("/mnt/g", "x"), Ok(()));
}

#[test]
fn a_filesystem_is_read_only_through_all_mounts() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.put("/mnt/f", "x").unwrap();
    sh.mkdir("/other").unwrap();
    sh.0.bind(&sh.1, b"/mnt", b"/other", false).unwrap();
    let file = open(&sh, "/other/f");
    assert_eq!(remount(&sh, b"/mnt", READ_ONLY, ""), Err(Errno::EBUSY));
    drop(file);
    assert_eq!(remount(&sh, b"/mnt", READ_ONLY, ""), Ok(()));
    assert_eq!(sh.put("/other/f", "y"), Err(Errno::EROFS));
    assert_eq!(sh.mkdir("/other/d"), Err(Errno::EROFS));
    assert_eq!(sh.0.set_mount_flags(&sh.1, b"/mnt", NONE), Ok(()));
    assert_eq!(
        sh.put("/mnt/f", "y"),
        Err(Errno::EROFS),
        "the filesystem is"
    );
    assert_eq!(remount(&sh, b"/other", NONE, ""), Ok(()));
    assert_eq!(sh.put("/mnt/f", "y"), Ok(()));
    assert_eq!(remount(&sh, b"/mnt/f", NONE, ""), Err(Errno::EINVAL));
}

#[test]
fn the_size_changes_and_not_below_what_is_used() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.put("/mnt/f", &"x".repeat(1000)).unwrap();
    sh.put("/mnt/g", &"x".repeat(1000)).unwrap();
    let size = || {
        let at = sh.0.resolve(&sh.1, b"/mnt", true).unwrap();
        at.mount().fs().stats().unwrap().blocks
    };
    assert_eq!(remount(&sh, b"/mnt", NONE, "size=4k"), Err(Errno::EINVAL));
    assert_eq!(remount(&sh, b"/mnt", READ_ONLY, "no=1"), Err(Errno::EINVAL));
    assert!(sh.put("/mnt/f", "x").is_ok(), "nothing has changed");
    assert_eq!(remount(&sh, b"/mnt", NONE, "size=64k,mode=700"), Ok(()));
    assert_eq!(size(), 16);
    assert_eq!(remount(&sh, b"/mnt", NONE, ""), Ok(()));
    assert_eq!(size(), 16);
    assert_eq!(remount(&sh, b"/mnt", NONE, "size=0"), Ok(()));
    assert_eq!(remount(&sh, b"/mnt", NONE, "size=64k"), Err(Errno::EINVAL));
}

#[test]
fn nobody_changes_the_filesystems_of_others() {
    let mut sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.1.cred = Arc::new(Cred::user(1, 1));
    assert_eq!(remount(&sh, b"/mnt", NONE, ""), Err(Errno::EPERM));
}

#[test]
fn links_are_not_followed_where_they_must_not_be() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.put("/mnt/f", "x").unwrap();
    sh.0.symlink(&sh.1, b"f", b"/mnt/l").unwrap();
    assert_eq!(sh.get("/mnt/l").unwrap(), b"x");
    let flags = MountFlags::from_attributes(0x20_0000).unwrap();
    sh.0.set_mount_flags(&sh.1, b"/mnt", flags).unwrap();
    assert_eq!(sh.get("/mnt/l"), Err(Errno::ELOOP));
    assert_eq!(MountFlags::from_attributes(0x100), None);
    assert_eq!(
        MountFlags::from_attributes(9),
        Some(READ_ONLY | MountFlags::NOEXEC)
    );
}
