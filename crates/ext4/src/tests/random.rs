//! The same random changes made here and in the memory filesystem: results
//! and trees must be equal.

use super::*;
use paddock_vfs::mem_fs::MemFs;
use paddock_vfs::{Allocation, Errno, SetMetadata};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Change {
    Create(u8, u8, bool),
    Symlink(u8, u8, u16),
    Link(u8, u8, u8, u8),
    Unlink(u8, u8),
    Rmdir(u8, u8),
    Rename(u8, u8, u8, u8, u32),
    Write(u8, u8, u32, u16),
    Append(u8, u8, u16),
    Resize(u8, u8, u32),
    Allocate(u8, u8, u8, u32, u32),
    Sync,
    Remount,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let dir = 0..4_u8;
    let name = 0..8_u8;
    let at = (dir, name);
    let change = prop_oneof![
        5 => (at.clone(), any::<bool>()).prop_map(|((d, n), dir)| Change::Create(d, n, dir)),
        1 => (at.clone(), 1..900_u16).prop_map(|((d, n), len)| Change::Symlink(d, n, len)),
        1 => (at.clone(), at.clone()).prop_map(|((a, b), (c, d))| Change::Link(a, b, c, d)),
        2 => at.clone().prop_map(|(d, n)| Change::Unlink(d, n)),
        1 => at.clone().prop_map(|(d, n)| Change::Rmdir(d, n)),
        3 => (at.clone(), at.clone(), 0..3_u32)
            .prop_map(|((a, b), (c, d), flags)| Change::Rename(a, b, c, d, flags)),
        6 => (at.clone(), 0..200_000_u32, 1..40_000_u16)
            .prop_map(|((d, n), offset, len)| Change::Write(d, n, offset, len)),
        2 => (at.clone(), 1..9_000_u16).prop_map(|((d, n), len)| Change::Append(d, n, len)),
        4 => (at.clone(), 0..5_u8, 0..220_000_u32, 1..90_000_u32)
            .prop_map(|((d, n), mode, at, len)| Change::Allocate(d, n, mode, at, len)),
        2 => (at, 0..250_000_u32).prop_map(|((d, n), size)| Change::Resize(d, n, size)),
        1 => Just(Change::Sync),
        1 => Just(Change::Remount),
    ];
    prop::collection::vec(change, 1..120)
}

/// A directory: the root, or one of the root's own.
fn dir(root: &Arc<dyn Inode>, number: u8) -> Result<Arc<dyn Inode>> {
    match number {
        0 => Ok(root.clone()),
        _ => root.lookup(&name(number)),
    }
}

fn name(number: u8) -> Vec<u8> {
    format!("name-{}-{number}", "n".repeat(usize::from(number) * 20)).into_bytes()
}

fn same(a: &Arc<dyn Inode>, b: &Arc<dyn Inode>) -> bool {
    a.ino() == b.ino()
}

fn apply(root: &Arc<dyn Inode>, change: &Change, seed: u64) -> Result<u64> {
    match *change {
        Change::Create(d, n, is_dir) => {
            let kind = if is_dir {
                FileKind::Directory
            } else {
                FileKind::Regular
            };
            dir(root, d)?.create(&name(n), &node(kind)).map(|_| 0)
        }
        Change::Symlink(d, n, len) => {
            let target = vec![b't'; usize::from(len)];
            let new = node(FileKind::Symlink);
            dir(root, d)?.symlink(&name(n), &target, &new).map(|_| 0)
        }
        Change::Link(a, b, c, d) => {
            let target = dir(root, a)?.lookup(&name(b))?;
            dir(root, c)?.link(&name(d), &target).map(|_| 0)
        }
        Change::Unlink(d, n) => dir(root, d)?.unlink(&name(n)).map(|_| 0),
        Change::Rmdir(d, n) => dir(root, d)?.rmdir(&name(n)).map(|_| 0),
        Change::Rename(a, b, c, d, flags) => rename(root, (a, b), (c, d), flags),
        Change::Write(d, n, offset, len) => {
            let file = dir(root, d)?.lookup(&name(n))?;
            let data = pattern(seed, usize::from(len));
            file.write_at(u64::from(offset), &mut (&data).into())
                .map(|n| n as u64)
        }
        Change::Append(d, n, len) => {
            let file = dir(root, d)?.lookup(&name(n))?;
            file.append(&mut (&pattern(seed, usize::from(len))).into())
                .map(|(end, _)| end)
        }
        Change::Resize(d, n, size) => {
            let file = dir(root, d)?.lookup(&name(n))?;
            let change = SetMetadata {
                size: Some(u64::from(size)),
                ..SetMetadata::default()
            };
            file.set_metadata(&change).map(|_| 0)
        }
        Change::Allocate(d, n, mode, offset, len) => {
            let what = Allocation::from_mode([0, 1, 3, 0x10, 0x11][usize::from(mode)])?;
            let file = dir(root, d)?.lookup(&name(n))?;
            let (offset, len) = (u64::from(offset), u64::from(len));
            match (file.allocate(what, offset, len), what) {
                // In memory, it is the two others together.
                (Err(Errno::EOPNOTSUPP), Allocation::Zero { keep_size }) => {
                    file.allocate(Allocation::Punch, offset, len)?;
                    let reserve = Allocation::Reserve { keep_size };
                    file.allocate(reserve, offset, len).map(|()| 0)
                }
                (result, _) => result.map(|()| 0),
            }
        }
        Change::Sync | Change::Remount => Ok(0),
    }
}

/// What the caller of a rename promises is checked here: no directory goes
/// into itself.
fn rename(root: &Arc<dyn Inode>, old: (u8, u8), new: (u8, u8), flags: u32) -> Result<u64> {
    let (from, to) = (dir(root, old.0)?, dir(root, new.0)?);
    let source = from.lookup(&name(old.1))?;
    let target = to.lookup(&name(new.1)).ok();
    if same(&source, &to) || target.is_some_and(|target| same(&target, &from)) {
        return Err(Errno::EINVAL);
    }
    from.rename(&name(old.1), &to, &name(new.1), flags)
        .map(|_| 0)
}

/// Everything below a directory, as text.
fn dump(dir: &dyn Inode, path: &str, out: &mut Vec<String>) {
    for name in names(dir).iter().filter(|name| *name != "lost+found") {
        let inode = dir.lookup(name.as_bytes()).unwrap();
        let meta = inode.metadata().unwrap();
        let path = format!("{path}/{name}");
        let about = match inode.kind() {
            FileKind::Directory => {
                dump(&*inode, &path, out);
                String::new()
            }
            FileKind::Symlink => format!("{}", inode.readlink().unwrap().len()),
            _ => {
                let data = read_all(&*inode);
                let sum = data.iter().fold(0_u64, |sum, &byte| {
                    sum.wrapping_mul(31).wrapping_add(u64::from(byte))
                });
                format!("{} {sum:x}", data.len())
            }
        };
        out.push(format!("{path} {:?} {} {about}", meta.kind, meta.links));
    }
}

fn tree(fs: &dyn FileSystem) -> Vec<String> {
    let mut out = Vec::new();
    dump(&*fs.root(), "", &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_as_the_memory_filesystem(
        changes in changes(),
        size in 0..3_u32,
        checkpoints in 0..CHECKPOINTS.len(),
    ) {
        let disk = Arc::new(MemDisk::new(make_image(1024 << size, 412 << 10, None)));
        is_as_the_model(&disk, &changes, CHECKPOINTS[checkpoints])?;
    }

    #[test]
    fn without_extents_too(
        changes in changes(),
        size in 0..3_u32,
        features in prop_oneof![Just(EXT2), Just(EXT3)],
        checkpoints in 0..CHECKPOINTS.len(),
    ) {
        let image = make_image_with(features, 1024 << size, 64 << 10, None);
        let punches = |change: &Change| !matches!(change, Change::Allocate(_, _, 0 | 1 | 3.., ..));
        let changes: Vec<_> = changes.into_iter().filter(punches).collect();
        is_as_the_model(&Arc::new(MemDisk::new(image)), &changes, CHECKPOINTS[checkpoints])?;
    }
}

/// Makes the changes on the disk and in memory.
fn is_as_the_model(
    disk: &Arc<MemDisk>,
    changes: &[Change],
    checkpoints: Option<usize>,
) -> core::result::Result<(), TestCaseError> {
    let model = MemFs::new(1, 1 << 30, 0o755, clock(), Arc::new(HeapPages)).unwrap();
    let mounted = || {
        let fs = mount_with(disk, 128).unwrap();
        fs.shared.core.lock().checkpoint_late(checkpoints);
        fs
    };
    let mut fs = mounted();
    for (seed, change) in changes.iter().enumerate() {
        match change {
            Change::Sync => fs.sync().unwrap(),
            Change::Remount => {
                fs.unmount().unwrap();
                fs = mounted();
            }
            _ => {}
        }
        let expected = apply(&model.root(), change, seed as u64);
        let got = apply(&fs.root(), change, seed as u64);
        prop_assert_eq!(got, expected, "{:?}", change);
    }
    prop_assert_eq!(tree(&*fs), tree(&*model));
    fs.unmount().unwrap();
    check_clean(&disk.image(), "random");
    prop_assert_eq!(tree(&*mount(disk)), tree(&*model));
    Ok(())
}
