//! Trees of mounts that are in no namespace.

use super::mounts::{mounted, places};
use super::*;
use crate::OpenFile;
use alloc::string::String;

const NONE: MountFlags = MountFlags::empty();

fn at(sh: &Shell, path: &str) -> Path {
    sh.0.resolve(&sh.1, path.as_bytes(), true).unwrap()
}

fn place(file: &OpenFile) -> Path {
    file.path().unwrap().clone()
}

/// What is read of a file that lies in an open folder.
fn text_in(sh: &Shell, file: &OpenFile, name: &str) -> Result<Vec<u8>> {
    let inside = Shell(sh.0.clone(), sh.1.with_base(place(file)));
    inside.get(name)
}

#[test]
fn a_new_mount_gets_into_the_tree() {
    let sh = Shell::new();
    sh.mkdir("/to").unwrap();
    let file = sh.0.mount_detached(&sh.1, mem_fs(), "new", NONE).unwrap();
    let top = place(&file);
    assert_eq!(sh.0.path_of(&top, &sh.1.root).unwrap(), b"/");
    assert_eq!(places(&sh), ["/"]);
    let inside = Shell(sh.0.clone(), sh.1.with_base(top.clone()));
    inside.put("f", "text").unwrap();
    assert_eq!(sh.0.move_place(&sh.1, &top, at(&sh, "/to")), Ok(()));
    assert_eq!(places(&sh), ["/", "/to"]);
    assert_eq!(sh.get("/to/f").unwrap(), b"text");
    assert_eq!(sh.0.path_of(&top, &sh.1.root).unwrap(), b"/to");
    let again = sh.0.move_place(&sh.1, &top, at(&sh, "/to"));
    assert_eq!(again, Err(Errno::ELOOP));
    let file_is_held = sh.0.unmount(&sh.1, b"/to", Unmount::empty());
    assert_eq!(file_is_held, Err(Errno::EBUSY));
    drop((file, top, inside));
    assert_eq!(sh.get("/to/f").unwrap(), b"text", "it stays");
    assert_eq!(sh.0.unmount(&sh.1, b"/to", Unmount::empty()), Ok(()));
}

#[test]
fn what_is_not_moved_goes_with_its_file() {
    let sh = Shell::new();
    let fs = mem_fs();
    let file = sh.0.mount_detached(&sh.1, fs.clone(), "new", NONE).unwrap();
    drop(file);
    assert_eq!(Arc::strong_count(&fs), 1);
    let file = sh.0.mount_detached(&sh.1, fs.clone(), "new", NONE).unwrap();
    let held = place(&file);
    drop(file);
    assert!(sh.0.move_place(&sh.1, &held, sh.0.root()).is_err());
    assert_eq!(places(&sh), ["/"]);
    drop(held);
    sh.0.flush_older_than(0).unwrap();
    assert_eq!(Arc::strong_count(&fs), 1);
}

#[test]
fn copies_of_trees_are_alone_or_whole() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    mounted(&sh, "/mnt/sub");
    sh.put("/mnt/f", "outer").unwrap();
    sh.put("/mnt/sub/f", "inner").unwrap();
    sh.mkdir("/to").unwrap();
    let alone = sh.0.clone_tree(&sh.1, &at(&sh, "/mnt"), false).unwrap();
    assert_eq!(text_in(&sh, &alone, "f").unwrap(), b"outer");
    assert!(text_in(&sh, &alone, "sub/f").is_err());
    let whole = sh.0.clone_tree(&sh.1, &at(&sh, "/mnt"), true).unwrap();
    assert_eq!(text_in(&sh, &whole, "sub/f").unwrap(), b"inner");
    let inner = sh.1.with_base(place(&whole));
    let inner = sh.0.resolve(&inner, b"sub", true).unwrap();
    let moved = sh.0.move_place(&sh.1, &inner, at(&sh, "/to"));
    assert_eq!(moved, Err(Errno::EINVAL), "only the root of such a tree");
    drop(inner);
    let copied = sh.0.clone_tree(&sh.1, &place(&whole), true);
    assert_eq!(copied.err(), Some(Errno::EINVAL), "nothing of no namespace");
    let onto = sh.0.move_place(&sh.1, &at(&sh, "/mnt/sub"), place(&whole));
    assert_eq!(onto, Err(Errno::EINVAL), "nothing gets into it");
    sh.0.move_place(&sh.1, &place(&whole), at(&sh, "/to"))
        .unwrap();
    let all: Vec<String> = places(&sh);
    assert_eq!(all, ["/", "/mnt", "/mnt/sub", "/to", "/to/sub"]);
    drop((alone, whole));
    assert_eq!(sh.get("/to/sub/f").unwrap(), b"inner");
    assert_eq!(sh.0.unmount(&sh.1, b"/to", Unmount::DETACH), Ok(()));
}

#[test]
fn flags_change_before_it_is_seen() {
    let sh = Shell::new();
    sh.mkdir("/to").unwrap();
    let file = sh.0.mount_detached(&sh.1, mem_fs(), "new", NONE).unwrap();
    let top = place(&file);
    let change = (MountFlags::RDONLY, NONE);
    sh.0.change_mount_flags(&sh.1, &top, change, true).unwrap();
    sh.0.move_place(&sh.1, &top, at(&sh, "/to")).unwrap();
    assert_eq!(sh.put("/to/f", "x"), Err(Errno::EROFS));
}

#[test]
fn a_folder_is_no_mount() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.mkdir("/mnt/d").unwrap();
    let fs = |path: &str| sh.0.mounted_fs(&sh.1, &at(&sh, path)).map(|fs| fs.kind());
    assert_eq!(fs("/mnt"), Ok("tmpfs"));
    assert_eq!(fs("/mnt/d"), Err(Errno::EINVAL));
    let file = sh.0.clone_tree(&sh.1, &at(&sh, "/mnt/d"), false).unwrap();
    assert!(place(&file).is_mount_root());
}
