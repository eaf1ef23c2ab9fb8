//! Files by handles.

use super::mounts::mounted;
use super::*;
use crate::FileHandle;

fn at(sh: &Shell, path: &str) -> Path {
    sh.0.resolve(&sh.1, path.as_bytes(), true).unwrap()
}

fn open(sh: &Shell, on: &str, handle: &FileHandle) -> Result<Path> {
    let by = (handle.kind(), handle.bytes());
    let flags = OpenFlags::empty();
    let file = sh.0.open_handle(&sh.1, &at(sh, on), by, flags)?;
    Ok(file.path().unwrap().clone())
}

#[test]
fn files_and_folders_are_found_again() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    for path in ["/mnt/a", "/mnt/a/b", "/mnt/c"] {
        sh.mkdir(path).unwrap();
    }
    sh.put("/mnt/a/b/f", "text").unwrap();
    let file = at(&sh, "/mnt/a/b/f").handle().unwrap();
    let folder = at(&sh, "/mnt/a/b").handle().unwrap();
    let top = at(&sh, "/mnt").handle().unwrap();
    assert_eq!(file, at(&sh, "/mnt/a/b/f").handle().unwrap());
    sh.0.shrink();
    let names = |found: Path| sh.0.path_of(&found, &sh.1.root).unwrap();
    assert_eq!(names(open(&sh, "/mnt", &folder).unwrap()), b"/mnt/a/b");
    assert_eq!(names(open(&sh, "/mnt", &top).unwrap()), b"/mnt");
    let found = open(&sh, "/mnt/c", &file).unwrap();
    assert_eq!(found.inode().ino(), at(&sh, "/mnt/a/b/f").inode().ino());
    sh.mv("/mnt/a/b", "/mnt/c/d", 0).unwrap();
    assert_eq!(names(open(&sh, "/mnt", &folder).unwrap()), b"/mnt/c/d");
    sh.mv("/mnt/c", "/mnt/a", RENAME_EXCHANGE).unwrap();
    assert_eq!(names(open(&sh, "/mnt", &folder).unwrap()), b"/mnt/a/d");
}

#[test]
fn what_is_gone_is_stale() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.mkdir("/mnt/d").unwrap();
    sh.put("/mnt/f", "text").unwrap();
    let (file, folder) = (at(&sh, "/mnt/f"), at(&sh, "/mnt/d"));
    let handles = [file.handle().unwrap(), folder.handle().unwrap()];
    sh.0.unlink(&sh.1, b"/mnt/f").unwrap();
    sh.rmdir("/mnt/d").unwrap();
    assert!(open(&sh, "/mnt", &handles[0]).is_ok(), "somebody has it");
    assert_eq!(open(&sh, "/mnt", &handles[1]).err(), Some(Errno::ESTALE));
    drop((file, folder));
    for handle in &handles {
        assert_eq!(open(&sh, "/mnt", handle).err(), Some(Errno::ESTALE));
    }
    let other = FileHandle::new(2, [7, 1, 0]);
    assert_eq!(open(&sh, "/mnt", &other).err(), Some(Errno::ESTALE));
}
