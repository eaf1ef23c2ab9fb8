//! Many threads at once, through paths: locks are taken in order, nothing
//! hangs, and the disk is clean.

use super::*;
use paddock_vfs::mem_fs::MemFs;
use paddock_vfs::path::{MountFlags, NoSpecialNodes};
use paddock_vfs::{Errno, MountNamespace, OpenFlags, PathContext};
use std::sync::atomic::AtomicBool;
use std::thread;

/// What a thread does in a step, from a number.
fn step(namespace: &MountNamespace, context: &PathContext, number: u64) -> Result<()> {
    let mount = ["", "/mem"][number as usize % 2];
    let path = |salt: u64| {
        let name = (number / 7 + salt) % 5;
        let dir = (number / 35 + salt) % 3;
        format!("{mount}/d{dir}/n{name}").into_bytes()
    };
    match number / 2 % 8 {
        0 => namespace.mkdir(context, &path(0), 0o755).map(drop),
        1 => namespace.unlink(context, &path(1)),
        2 => namespace.rmdir(context, &path(2)),
        3 => namespace.rename(
            context,
            &path(3),
            context,
            &path(4),
            (number / 16 % 3) as u32,
        ),
        4 => {
            let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::APPEND;
            let file = namespace.open(context, &path(5), flags, 0o644)?;
            file.write(&pattern(number, (number % 9_000) as usize))?;
            if number % 64 == 9 {
                file.sync()?;
            }
            Ok(())
        }
        5 => {
            let file = namespace.open(context, &path(6), OpenFlags::empty(), 0)?;
            file.read(&mut [0; 5_000]).map(drop)
        }
        6 => {
            let flags = OpenFlags::WRONLY | OpenFlags::TRUNC;
            namespace.open(context, &path(7), flags, 0).map(drop)
        }
        _ => {
            let at = namespace.resolve(context, &path(8), false)?;
            namespace.path_of(&at, &context.root).unwrap();
            at.inode().metadata().map(drop)
        }
    }
}

fn is_expected(error: Errno) -> bool {
    [
        Errno::ENOENT,
        Errno::EEXIST,
        Errno::EISDIR,
        Errno::ENOTDIR,
        Errno::ENOTEMPTY,
        Errno::EINVAL,
    ]
    .contains(&error)
}

#[test]
fn threads_change_the_same_tree() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 48 << 10, None)));
    let fs = mount_with(&disk, 300).unwrap();
    let namespace = MountNamespace::new(fs, "disk", Arc::new(NoSpecialNodes), 64).unwrap();
    let context = PathContext::root_at(namespace.root());
    namespace.mkdir(&context, b"/mem", 0o755).unwrap();
    let memory = MemFs::new(9, 32 << 20, 0o755, clock(), Arc::new(HeapPages)).unwrap();
    let flags = MountFlags::empty();
    namespace
        .mount(&context, b"/mem", memory, "mem", flags)
        .unwrap();
    for dir in ["/d0", "/d1", "/d2", "/mem/d0", "/mem/d1", "/mem/d2"] {
        namespace.mkdir(&context, dir.as_bytes(), 0o755).unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..6_u64)
            .map(|worker| {
                let (namespace, context) = (&namespace, context.clone());
                scope.spawn(move || {
                    let mut state = worker + 1;
                    for _ in 0..3_000 {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        if let Err(error) = step(namespace, &context, state >> 8) {
                            assert!(is_expected(error), "{error:?}");
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                namespace.flush_older_than(5).unwrap();
                thread::yield_now();
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    drop(context);
    namespace.unmount_all().unwrap();
    check_clean(&disk.image(), "after many threads");
}

#[test]
fn who_needs_memory_does_not_wait() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 16 << 10, None)));
    let fs = mount(&disk);
    let root = fs.root();
    root.create(b"file", &node(FileKind::Regular)).unwrap();
    fs.sync().unwrap();
    let core = fs.shared.core.lock();
    // Would wait for this thread, for ever.
    fs.shrink();
    drop(core);
    fs.shrink();
}
