//! Extended attributes: against a map, e2fsck and debugfs.

use super::*;
use paddock_vfs::{Errno, SetXattr};
use std::collections::BTreeMap;

const ANY: SetXattr = SetXattr::Any;

fn listed(inode: &dyn Inode) -> Vec<Vec<u8>> {
    let names = inode.list_xattrs().unwrap();
    let mut names: Vec<Vec<u8>> = names
        .split_inclusive(|byte| *byte == 0)
        .map(|name| name[..name.len() - 1].to_vec())
        .collect();
    names.sort();
    names
}

fn random_name(seed: u64) -> Vec<u8> {
    let class = ["user", "trusted", "security"][seed as usize % 3];
    let len = 1 + seed as usize * 7 % 40;
    format!("{class}.{seed}-{}", "n".repeat(len)).into_bytes()
}

#[test]
fn attributes_behave_as_a_map() {
    for (inode_size, block_size) in [
        ("128", "1024"),
        ("256", "1024"),
        ("256", "4096"),
        ("1024", "4096"),
    ] {
        let dir = TempDir::new();
        let path = dir.0.join("image");
        let mut command = tool("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-b", block_size, "-I", inode_size]);
        command.args(["-O", DEBIAN_12]).arg(&path).arg("16m");
        assert!(command.output().unwrap().status.success());
        let disk = Arc::new(MemDisk::new(std::fs::read(&path).unwrap()));
        let mut fs = mount(&disk);
        fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut full = 0;
        for step in 0..600_u64 {
            let file = fs.root().lookup(b"f").unwrap();
            let random = pattern(step + 1, 2);
            let name = random_name(u64::from(random[0]) % 24);
            if random[1].is_multiple_of(4) {
                let expected = model.remove(&name).map(drop).ok_or(Errno::ENODATA);
                assert_eq!(file.set_xattr(&name, None, SetXattr::Replace), expected);
            } else {
                let value = pattern(step, usize::from(random[1]) * 2 % 300);
                match file.set_xattr(&name, Some(&value), ANY) {
                    Ok(()) => drop(model.insert(name, value)),
                    Err(error) => {
                        assert_eq!(error, Errno::ENOSPC);
                        full += 1;
                    }
                }
            }
            if step % 100 == 99 {
                drop(file);
                fs.unmount().unwrap();
                check_clean(
                    &disk.image(),
                    &format!("{inode_size}, {block_size}, {step}"),
                );
                fs = mount(&disk);
            }
        }
        assert!(full > 0 || block_size == "4096");
        let file = fs.root().lookup(b"f").unwrap();
        assert_eq!(listed(&*file), model.keys().cloned().collect::<Vec<_>>());
        for (name, value) in &model {
            assert_eq!(file.get_xattr(name).as_ref(), Ok(value));
        }
        // All that it took comes back.
        fs.root().unlink(b"f").unwrap();
        drop(file);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "attributes gone");
    }
}

#[test]
fn what_is_expected_must_be_there() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 16 << 10, None)));
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    let set = |name: &[u8], mode| file.set_xattr(name, Some(b"v"), mode);
    assert_eq!(set(b"user.a", SetXattr::Replace), Err(Errno::ENODATA));
    assert_eq!(set(b"user.a", SetXattr::Create), Ok(()));
    assert_eq!(set(b"user.a", SetXattr::Create), Err(Errno::EEXIST));
    assert_eq!(set(b"user.a", SetXattr::Replace), Ok(()));
    assert_eq!(set(b"system.x", ANY), Err(Errno::EOPNOTSUPP));
    let large = vec![1; 60_000];
    let refused = file.set_xattr(b"user.large", Some(&large), ANY);
    assert_eq!(refused, Err(Errno::ENOSPC));
    assert_eq!(listed(&*file), [b"user.a"]);
    assert_eq!(file.get_xattr(b"user.b"), Err(Errno::ENODATA));
    file.set_xattr(b"user.empty", Some(b""), ANY).unwrap();
    assert_eq!(file.get_xattr(b"user.empty"), Ok(Vec::new()));
    file.set_xattr(b"user.long", Some(&[b'x'; 900]), ANY)
        .unwrap();
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "attributes");
    // Others see them, and what they change is seen here.
    let dir = TempDir::new();
    let path = dir.0.join("image");
    std::fs::write(&path, disk.image()).unwrap();
    let debugfs = |command: &str| {
        let output = tool("debugfs")
            .args(["-w", "-R", command])
            .arg(&path)
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    };
    let list = debugfs("ea_list /f");
    assert!(
        list.contains("user.a (1) = \"v\"") && list.contains("user.long (900)"),
        "{list}"
    );
    debugfs("ea_set /f trusted.other hello");
    debugfs("ea_rm /f user.long");
    let disk = Arc::new(MemDisk::new(std::fs::read(&path).unwrap()));
    let file = mount(&disk).root().lookup(b"f").unwrap();
    assert_eq!(file.get_xattr(b"trusted.other"), Ok(b"hello".to_vec()));
    assert_eq!(
        listed(&*file),
        [&b"trusted.other"[..], b"user.a", b"user.empty"]
    );
}
