use super::*;
use crate::mem_fs::MemFs;
use crate::{Clock, Errno, HeapPages, OpenFlags, Result, Timestamp};
use alloc::format;
use alloc::vec::Vec;
use paddock_abi::fcntl::{RENAME_EXCHANGE, RENAME_NOREPLACE};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp {
            seconds: 1_000,
            nanos: 0,
        }
    }
}

fn mem_fs() -> Arc<MemFs> {
    mem_fs_of(1 << 20)
}

fn mem_fs_of(bytes: u64) -> Arc<MemFs> {
    MemFs::new(7, bytes, 0o755, Arc::new(Stopped), Arc::new(HeapPages)).unwrap()
}

fn setup() -> (Arc<MountNamespace>, PathContext) {
    let namespace = MountNamespace::new(mem_fs(), "none", Arc::new(NoSpecialNodes)).unwrap();
    let context = PathContext::root_at(namespace.root());
    (namespace, context)
}

struct Shell(Arc<MountNamespace>, PathContext);

impl Shell {
    fn new() -> Shell {
        let (namespace, context) = setup();
        Shell(namespace, context)
    }

    fn cd(&mut self, path: &str) -> Result<()> {
        self.1.base = self.0.resolve(&self.1, path.as_bytes(), true)?;
        Ok(())
    }

    fn cwd(&self) -> Vec<u8> {
        self.0.path_of(&self.1.base, &self.1.root).unwrap()
    }

    fn mkdir(&self, path: &str) -> Result<()> {
        self.0.mkdir(&self.1, path.as_bytes(), 0o777).map(drop)
    }

    fn put(&self, path: &str, text: &str) -> Result<()> {
        let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
        let file = self.0.open(&self.1, path.as_bytes(), flags, 0o666)?;
        assert_eq!(file.write(text.as_bytes())?, text.len());
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Vec<u8>> {
        let flags = OpenFlags::empty();
        let file = self.0.open(&self.1, path.as_bytes(), flags, 0)?;
        let mut buf = vec![0; 4096];
        let len = file.read(&mut buf)?;
        buf.truncate(len);
        Ok(buf)
    }

    fn mv(&self, old: &str, new: &str, flags: u32) -> Result<()> {
        let context = &self.1;
        self.0
            .rename(context, old.as_bytes(), context, new.as_bytes(), flags)
    }

    fn ln(&self, target: &str, path: &str) -> Result<()> {
        self.0.symlink(&self.1, target.as_bytes(), path.as_bytes())
    }

    fn rm(&self, path: &str) -> Result<()> {
        self.0.unlink(&self.1, path.as_bytes())
    }

    fn rmdir(&self, path: &str) -> Result<()> {
        self.0.rmdir(&self.1, path.as_bytes())
    }

    fn ls(&self, path: &str) -> Vec<String> {
        let flags = OpenFlags::DIRECTORY;
        let dir = self.0.open(&self.1, path.as_bytes(), flags, 0).unwrap();
        let mut names = Vec::new();
        dir.readdir(&mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            true
        })
        .unwrap();
        names
    }
}

#[test]
fn files_and_directories() {
    let mut sh = Shell::new();
    sh.mkdir("/a").unwrap();
    sh.mkdir("/a/b/").unwrap();
    sh.put("/a/b/f", "text").unwrap();
    assert_eq!(sh.get("//a/./b//../b/f").unwrap(), b"text");
    assert_eq!(sh.get("/a/b/f/"), Err(Errno::ENOTDIR));
    assert_eq!(sh.get("/a/b/f/x"), Err(Errno::ENOTDIR));
    assert_eq!(sh.get("/a/x/f"), Err(Errno::ENOENT));
    assert_eq!(sh.get(""), Err(Errno::ENOENT));
    assert_eq!(sh.put("/a/new/", ""), Err(Errno::EISDIR));
    assert_eq!(sh.put("/a", ""), Err(Errno::EISDIR));
    assert_eq!(sh.mkdir("/a/b"), Err(Errno::EEXIST));
    assert_eq!(sh.rmdir("/a"), Err(Errno::ENOTEMPTY));
    assert_eq!(sh.rmdir("/a/b/."), Err(Errno::EINVAL));
    assert_eq!(sh.rm("/a/b"), Err(Errno::EISDIR));
    assert_eq!(sh.rmdir("/a/b/f"), Err(Errno::ENOTDIR));
    sh.cd("/a/b").unwrap();
    assert_eq!(sh.cwd(), b"/a/b");
    assert_eq!(sh.get("../b/f").unwrap(), b"text");
    assert_eq!(sh.ls("."), [".", "..", "f"]);
    sh.rm("f").unwrap();
    assert_eq!(sh.get("f"), Err(Errno::ENOENT));
    sh.rmdir("../b").unwrap();
    assert_eq!(sh.cwd(), b"/a/b (deleted)");
    assert_eq!(sh.put("x", ""), Err(Errno::ENOENT));
}

#[test]
fn long_names() {
    let sh = Shell::new();
    let longest = "n".repeat(255);
    sh.put(&longest, "").unwrap();
    assert_eq!(sh.get(&"n".repeat(256)), Err(Errno::ENAMETOOLONG));
    let path = "./".repeat(2048);
    assert_eq!(sh.get(&path), Err(Errno::ENAMETOOLONG));
    assert_eq!(sh.get(&path[2..]), Err(Errno::EISDIR));
}

#[test]
fn symbolic_links() {
    let sh = Shell::new();
    sh.mkdir("/d").unwrap();
    sh.put("/d/f", "f").unwrap();
    sh.ln("d", "/l").unwrap();
    sh.ln("/l/../l/f", "/abs").unwrap();
    assert_eq!(sh.get("/abs").unwrap(), b"f");
    assert_eq!(sh.get("/l/f").unwrap(), b"f");
    sh.ln("loop", "/loop").unwrap();
    assert_eq!(sh.get("/loop"), Err(Errno::ELOOP));
    assert_eq!(sh.put("/loop", ""), Err(Errno::ELOOP));
    sh.ln("/d/new", "/dangling").unwrap();
    assert_eq!(sh.get("/dangling"), Err(Errno::ENOENT));
    sh.put("/dangling", "made").unwrap();
    assert_eq!(sh.get("/d/new").unwrap(), b"made");
    let open = |path: &str, flags| sh.0.open(&sh.1, path.as_bytes(), flags, 0o666).map(drop);
    assert_eq!(open("/abs", OpenFlags::NOFOLLOW), Err(Errno::ELOOP));
    let exclusive = OpenFlags::CREAT | OpenFlags::EXCL;
    assert_eq!(open("/abs", exclusive), Err(Errno::EEXIST));
    assert_eq!(open("/l", OpenFlags::DIRECTORY), Ok(()));
    let not_followed = OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW;
    assert_eq!(open("/l", not_followed), Err(Errno::ENOTDIR));
    assert_eq!(open("/l/", not_followed), Ok(()));
    assert_eq!(sh.rm("/l/"), Err(Errno::ENOTDIR));
    sh.rm("/l").unwrap();
    assert_eq!(sh.get("/d/f").unwrap(), b"f");
}

#[test]
fn renames_keep_open_places_right() {
    let mut sh = Shell::new();
    for dir in ["/a", "/a/b", "/a/b/c", "/x"] {
        sh.mkdir(dir).unwrap();
    }
    sh.put("/a/f", "f").unwrap();
    sh.cd("/a/b/c").unwrap();
    sh.mv("/a", "/x/y", 0).unwrap();
    assert_eq!(sh.cwd(), b"/x/y/b/c");
    assert_eq!(sh.get("../../f").unwrap(), b"f");
    assert_eq!(sh.get("/a/f"), Err(Errno::ENOENT));
    assert_eq!(sh.mv("/x", "/x/y/b/x", 0), Err(Errno::EINVAL));
    assert_eq!(sh.mv("/x/y/b", "/x", 0), Err(Errno::ENOTEMPTY));
    sh.put("/x/g", "g").unwrap();
    assert_eq!(
        sh.mv("/x/g", "/x/y/f", RENAME_NOREPLACE),
        Err(Errno::EEXIST)
    );
    sh.mv("/x/g", "/x/y/f", RENAME_EXCHANGE).unwrap();
    assert_eq!(sh.get("/x/g").unwrap(), b"f");
    assert_eq!(sh.get("/x/y/f").unwrap(), b"g");
    sh.mv("/x/g", "/x/y/f", 0).unwrap();
    assert_eq!(sh.get("/x/y/f").unwrap(), b"f");
    assert_eq!(sh.get("/x/g"), Err(Errno::ENOENT));
    assert_eq!(sh.mv("/x/y/f", "/x/y/b", 0), Err(Errno::EISDIR));
    assert_eq!(sh.mv("/x/y/b", "/x/y/f", 0), Err(Errno::ENOTDIR));
    assert_eq!(sh.mv("/x/y/f", "/x/h/", 0), Err(Errno::ENOTDIR));
    sh.mv("/x/y/b/", "/x/h/", 0).unwrap();
    assert_eq!(sh.cwd(), b"/x/h/c");
}

#[test]
fn an_unlinked_file_stays_usable() {
    let sh = Shell::new();
    sh.put("/f", "still here").unwrap();
    let flags = OpenFlags::RDWR;
    let file = sh.0.open(&sh.1, b"/f", flags, 0).unwrap();
    sh.rm("/f").unwrap();
    sh.put("/f", "other").unwrap();
    let mut buf = [0; 10];
    assert_eq!(file.read(&mut buf), Ok(10));
    assert_eq!(&buf, b"still here");
    assert_eq!(file.metadata().unwrap().links, 0);
    let place = file.path().unwrap();
    assert_eq!(sh.0.path_of(place, &sh.1.root).unwrap(), b"/f (deleted)");
}

#[test]
fn hard_links() {
    let sh = Shell::new();
    sh.put("/f", "one").unwrap();
    let old = sh.0.resolve(&sh.1, b"/f", true).unwrap();
    sh.0.link(&old, &sh.1, b"/g").unwrap();
    assert_eq!(sh.0.link(&old, &sh.1, b"/g"), Err(Errno::EEXIST));
    assert_eq!(sh.0.link(&sh.1.root, &sh.1, b"/h"), Err(Errno::EPERM));
    sh.put("/g", "two").unwrap();
    assert_eq!(sh.get("/f").unwrap(), b"two");
    sh.mv("/f", "/g", 0).unwrap();
    assert_eq!(sh.get("/f").unwrap(), b"two");
    sh.rm("/f").unwrap();
    assert_eq!(old.inode().metadata().unwrap().links, 1);
    assert_eq!(sh.get("/g").unwrap(), b"two");
}

#[test]
fn mounts() {
    let mut sh = Shell::new();
    sh.mkdir("/mnt").unwrap();
    sh.put("/mnt/below", "").unwrap();
    let flags = MountFlags::empty();
    sh.0.mount(&sh.1, b"/mnt", mem_fs(), "tmpfs", flags)
        .unwrap();
    assert_eq!(sh.ls("/mnt"), [".", ".."]);
    sh.mkdir("/mnt/sub").unwrap();
    sh.put("/top", "top").unwrap();
    sh.cd("/mnt/sub").unwrap();
    assert_eq!(sh.cwd(), b"/mnt/sub");
    assert_eq!(sh.get("../../top").unwrap(), b"top");
    assert_eq!(sh.mv("/top", "/mnt/top", 0), Err(Errno::EXDEV));
    assert_eq!(sh.rmdir("/mnt"), Err(Errno::EBUSY));
    assert_eq!(sh.mv("/mnt", "/other", 0), Err(Errno::EBUSY));
    assert_eq!(
        sh.0.unmount(&sh.1, b"/mnt", Unmount::empty()),
        Err(Errno::EBUSY)
    );
    assert_eq!(
        sh.0.unmount(&sh.1, b"/", Unmount::empty()),
        Err(Errno::EBUSY)
    );
    assert_eq!(
        sh.0.unmount(&sh.1, b"/mnt/sub", Unmount::empty()),
        Err(Errno::EINVAL)
    );
    let targets: Vec<_> =
        sh.0.mounts(&sh.0.root())
            .unwrap()
            .into_iter()
            .map(|m| m.target)
            .collect();
    assert_eq!(targets, [b"/".to_vec(), b"/mnt".to_vec()]);
    sh.cd("/").unwrap();
    sh.0.unmount(&sh.1, b"/mnt", Unmount::empty()).unwrap();
    assert_eq!(sh.ls("/mnt"), [".", "..", "below"]);
}

/// Mounts a filesystem at `place`, which is made.
fn mounted(sh: &Shell, place: &str) {
    sh.mkdir(place).unwrap();
    let flags = MountFlags::empty();
    let mounted = sh.0.mount(&sh.1, place.as_bytes(), mem_fs(), "more", flags);
    mounted.unwrap();
}

#[test]
fn what_is_detached_stays_for_whoever_uses_it() {
    let mut sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.mkdir("/mnt/dir").unwrap();
    sh.put("/mnt/dir/f", "f").unwrap();
    mounted(&sh, "/mnt/sub");
    sh.cd("/mnt/dir").unwrap();
    let busy = sh.0.unmount(&sh.1, b"/mnt", Unmount::empty());
    assert_eq!(busy, Err(Errno::EBUSY));
    sh.0.unmount(&sh.1, b"/mnt", Unmount::DETACH).unwrap();
    assert_eq!(sh.0.mounts(&sh.0.root()).unwrap().len(), 1);
    assert_eq!(sh.ls("/mnt"), [".", ".."]);
    assert_eq!(sh.get("f").unwrap(), b"f");
    assert_eq!(sh.ls("../../.."), [".", "..", "dir", "sub"]);
    let (flags, place) = (MountFlags::empty(), b"/mnt");
    let below = sh.0.mount(&sh.1, b".", mem_fs(), "more", flags);
    assert_eq!(below, Err(Errno::EINVAL));
    assert_eq!(sh.0.mounts.detached().len(), 1);
    sh.cd("/").unwrap();
    sh.0.flush_older_than(0).unwrap();
    assert!(sh.0.mounts.detached().is_empty());
    let twice = sh.0.unmount(&sh.1, place, Unmount::DETACH);
    assert_eq!(twice, Err(Errno::EINVAL));
}

#[test]
fn a_mount_expires_if_nobody_comes_by() {
    let mut sh = Shell::new();
    mounted(&sh, "/mnt");
    let expire = |sh: &Shell| sh.0.unmount(&sh.1, b"/mnt", Unmount::EXPIRE);
    assert_eq!(expire(&sh), Err(Errno::EAGAIN));
    assert_eq!(sh.ls("/mnt"), [".", ".."]);
    assert_eq!(expire(&sh), Err(Errno::EAGAIN));
    sh.cd("/mnt").unwrap();
    assert_eq!(expire(&sh), Err(Errno::EBUSY));
    sh.cd("/").unwrap();
    assert_eq!(expire(&sh), Err(Errno::EAGAIN));
    assert_eq!(expire(&sh), Ok(()));
    assert_eq!(expire(&sh), Err(Errno::EINVAL));
}

#[test]
fn a_link_to_a_mount_is_not_followed_if_so_asked() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.ln("/mnt", "/link").unwrap();
    let unmount = |how| sh.0.unmount(&sh.1, b"/link", how);
    assert_eq!(unmount(Unmount::NOFOLLOW), Err(Errno::EINVAL));
    assert_eq!(unmount(Unmount::empty()), Ok(()));
}

#[test]
fn bind_mounts_show_the_same_tree() {
    let mut sh = Shell::new();
    for dir in ["/a", "/a/sub", "/b"] {
        sh.mkdir(dir).unwrap();
    }
    bind(&sh, "/a", "/b", MountFlags::RDONLY, false);
    sh.put("/a/sub/f", "f").unwrap();
    assert_eq!(sh.get("/b/sub/f").unwrap(), b"f");
    assert_eq!(sh.put("/b/sub/f", ""), Err(Errno::EROFS));
    sh.cd("/b/sub").unwrap();
    assert_eq!(sh.cwd(), b"/b/sub");
    assert_eq!(sh.ls("../.."), [".", "..", "a", "b"]);
}

#[test]
fn chroot_is_not_left_by_dots() {
    let mut sh = Shell::new();
    sh.mkdir("/jail").unwrap();
    sh.put("/secret", "s").unwrap();
    sh.put("/jail/f", "f").unwrap();
    sh.ln("/../../f", "/jail/l").unwrap();
    sh.1.root = sh.0.resolve(&sh.1, b"/jail", true).unwrap();
    assert_eq!(sh.get("/../../secret"), Err(Errno::ENOENT));
    assert_eq!(sh.get("/l").unwrap(), b"f");
    assert_eq!(sh.cwd(), b"(unreachable)/");
    sh.cd("/").unwrap();
    assert_eq!(sh.cwd(), b"/");
}

#[test]
fn permissions_of_ordinary_users() {
    let mut sh = Shell::new();
    sh.mkdir("/private").unwrap();
    sh.put("/private/f", "f").unwrap();
    sh.put("/mine", "m").unwrap();
    let private = sh.0.resolve(&sh.1, b"/private", true).unwrap();
    sh.0.chmod(&sh.1, &private, 0o700).unwrap();
    let mine = sh.0.resolve(&sh.1, b"/mine", true).unwrap();
    sh.0.chown(&sh.1, &mine, Some(5), Some(5)).unwrap();
    sh.0.mkdir(&sh.1, b"/tmp", 0o1777).unwrap();
    let tmp = sh.0.resolve(&sh.1, b"/tmp", true).unwrap();
    sh.0.chmod(&sh.1, &tmp, 0o1777).unwrap();
    sh.put("/tmp/roots", "").unwrap();
    sh.1.cred = Arc::new(Cred::user(5, 5));
    assert_eq!(sh.get("/private/f"), Err(Errno::EACCES));
    assert_eq!(sh.put("/new", ""), Err(Errno::EACCES));
    sh.put("/mine", "mine").unwrap();
    sh.put("/tmp/own", "").unwrap();
    assert_eq!(sh.rm("/tmp/roots"), Err(Errno::EPERM));
    sh.rm("/tmp/own").unwrap();
    assert_eq!(sh.0.chmod(&sh.1, &private, 0o777), Err(Errno::EPERM));
    sh.0.chmod(&sh.1, &mine, 0o600).unwrap();
    assert_eq!(sh.0.chown(&sh.1, &mine, Some(0), None), Err(Errno::EPERM));
}

#[test]
fn deep_trees_are_dropped_without_recursion() {
    let mut sh = Shell::new();
    sh.mkdir("/mnt").unwrap();
    let (fs, flags) = (mem_fs_of(1 << 26), MountFlags::empty());
    sh.0.mount(&sh.1, b"/mnt", fs, "tmpfs", flags).unwrap();
    sh.cd("/mnt").unwrap();
    for _ in 0..20_000 {
        sh.mkdir("d").unwrap();
        sh.cd("d").unwrap();
    }
    let fresh = Shell::new();
    drop(core::mem::replace(&mut sh, fresh));
}

#[test]
fn append_goes_to_the_end_and_offsets_are_shared() {
    let sh = Shell::new();
    sh.put("/f", "12345").unwrap();
    let flags = OpenFlags::RDWR | OpenFlags::APPEND;
    let file = sh.0.open(&sh.1, b"/f", flags, 0).unwrap();
    file.write(b"6").unwrap();
    assert_eq!(file.seek(0, 1), Ok(6));
    file.set_flags(OpenFlags::empty());
    assert_eq!(file.seek(-6, 2), Ok(0));
    file.write(b"x").unwrap();
    assert_eq!(sh.get("/f").unwrap(), b"x23456");
    assert_eq!(file.seek(-1, 0), Err(Errno::EINVAL));
    assert_eq!(file.pwrite(10, &mut b"e".into()), Ok(1));
    assert_eq!(file.metadata().unwrap().size, 11);
    let read_only = sh.0.open(&sh.1, b"/f", OpenFlags::empty(), 0).unwrap();
    assert_eq!(read_only.write(b""), Err(Errno::EBADF));
    assert_eq!(read_only.truncate(0), Err(Errno::EINVAL));
}

#[test]
fn the_space_of_a_full_filesystem_comes_back() {
    let sh = Shell::new();
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT;
    let file = sh.0.open(&sh.1, b"/big", flags, 0o666).unwrap();
    let chunk = vec![1; 100_000];
    let mut total = 0;
    let error = loop {
        match file.write(&chunk) {
            Ok(count) => total += count,
            Err(error) => break error,
        }
    };
    // The file itself counts for a page, too.
    assert_eq!(
        (error, total),
        (Errno::ENOSPC, (1 << 20) - crate::PAGE_SIZE)
    );
    sh.rm("/big").unwrap();
    drop(file);
    let stats = sh.1.root.mount().fs().stats().unwrap();
    assert_eq!(stats.blocks_free, stats.blocks);
}

#[test]
fn the_root_is_still_a_place_when_everything_is_unmounted() {
    let shell = Shell::new();
    shell.mkdir("/mnt").unwrap();
    let flags = MountFlags::empty();
    let Shell(namespace, context) = &shell;
    namespace
        .mount(context, b"/mnt", mem_fs(), "second", flags)
        .unwrap();
    namespace.unmount_all().unwrap();
    let root = namespace.root();
    assert_eq!(namespace.path_of(&context.base, &root).unwrap(), b"/");
    assert!(namespace.mounts(&namespace.root()).unwrap().is_empty());
    namespace.unmount_all().unwrap();
}

/// What is there, by walking, with the contents of files.
fn tree_of(sh: &Shell) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in sh.ls(&format!("{folder}/")) {
            if name == "." || name == ".." {
                continue;
            }
            let path = format!("{folder}/{name}");
            let text = sh.get(&path).ok();
            if text.is_none() {
                folders.push(path.clone());
            }
            found.push((path, text));
        }
    }
    found.sort();
    found
}

/// The n-th allocation of a change of names fails, for every n: it is `ENOMEM`,
/// and what the cache says of names is what the filesystem has.
#[test]
fn the_cache_agrees_with_the_filesystem_whichever_allocation_fails() {
    type Change = fn(&Shell) -> Result<()>;
    const CHANGES: &[Change] = &[
        |sh| sh.mkdir("/new"),
        |sh| {
            let kind = FileKind::Regular;
            sh.0.mknod(&sh.1, b"/dir/file", kind, 0o666, 0).map(drop)
        },
        |sh| sh.ln("/old", "/dir/symbolic"),
        |sh| {
            let old = sh.0.resolve(&sh.1, b"/old", true)?;
            sh.0.link(&old, &sh.1, b"/dir/linked")
        },
        |sh| sh.mv("/old", "/dir/moved", 0),
        |sh| sh.mv("/old", "/dir/other", 0),
        |sh| sh.mv("/old", "/dir/other", RENAME_EXCHANGE),
        |sh| sh.rm("/old"),
        |sh| sh.rmdir("/empty"),
    ];
    let mut failed = 0;
    for change in CHANGES {
        for number in 0.. {
            let sh = Shell::new();
            sh.mkdir("/dir").unwrap();
            sh.mkdir("/empty").unwrap();
            sh.put("/old", "old").unwrap();
            sh.put("/dir/other", "other").unwrap();
            // Names that are not there are known to the cache, too.
            assert!(sh.get("/dir/file").is_err() && sh.get("/dir/moved").is_err());
            let before = tree_of(&sh);
            paddock_sync::fail_allocation_after(Some(number));
            let result = change(&sh);
            let tried = paddock_sync::allocations_tried();
            paddock_sync::fail_allocation_after(None);
            let by_cache = tree_of(&sh);
            sh.0.shrink();
            assert_eq!(by_cache, tree_of(&sh), "allocation {number}");
            match result {
                Err(error) => assert_eq!((error, &by_cache), (Errno::ENOMEM, &before)),
                Ok(()) => assert_ne!(by_cache, before),
            }
            if tried <= number {
                break;
            }
            failed += 1;
        }
    }
    assert!(failed > 15, "only {failed} allocations");
}

#[test]
fn an_unnamed_file_is_named_once_and_only_if_it_may_be() {
    let shell = Shell::new();
    let unnamed = |flags| {
        let flags = OpenFlags::TMPFILE | OpenFlags::RDWR | flags;
        let file = shell.0.open(&shell.1, b"/", flags, 0o600);
        file.map(|file| file.path().unwrap().clone())
    };
    let link = |old: &Path, name: &str| shell.0.link(old, &shell.1, name.as_bytes());
    let free = unnamed(OpenFlags::empty()).unwrap();
    assert_eq!(link(&free, "/a"), Ok(()));
    assert_eq!(link(&free, "/b"), Ok(()));
    for name in ["/a", "/b"] {
        shell.0.unlink(&shell.1, name.as_bytes()).unwrap();
    }
    assert_eq!(link(&free, "/c"), Err(Errno::ENOENT));
    let bound = unnamed(OpenFlags::EXCL).unwrap();
    assert_eq!(link(&bound, "/d"), Err(Errno::ENOENT));
    assert_eq!(unnamed(OpenFlags::CREAT).err(), Some(Errno::EINVAL));
    let half = OpenFlags::UNNAMED | OpenFlags::RDWR;
    let half = shell.0.open(&shell.1, b"/", half, 0o600);
    assert_eq!(half.err(), Some(Errno::EINVAL));
}

#[test]
fn a_file_whose_last_name_is_gone_gets_no_other() {
    let shell = Shell::new();
    shell.put("/a", "text").unwrap();
    let old = shell.0.resolve(&shell.1, b"/a", false).unwrap();
    shell.0.unlink(&shell.1, b"/a").unwrap();
    assert_eq!(shell.0.link(&old, &shell.1, b"/b"), Err(Errno::ENOENT));
}

fn bind(sh: &Shell, from: &str, to: &str, flags: MountFlags, recursive: bool) {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    sh.0.bind(&sh.1, from, to, flags, recursive).unwrap();
}

/// The places of the mounts that a shell sees.
fn places(sh: &Shell) -> Vec<String> {
    let mounts = sh.0.mounts(&sh.1.root).unwrap();
    let place = |info: MountInfo| String::from_utf8(info.target).unwrap();
    mounts.into_iter().map(place).collect()
}

#[test]
fn a_recursive_bind_shows_what_is_mounted_below() {
    let sh = Shell::new();
    mounted(&sh, "/a");
    mounted(&sh, "/a/sub");
    mounted(&sh, "/beside");
    sh.put("/a/sub/f", "f").unwrap();
    for dir in ["/b", "/c"] {
        sh.mkdir(dir).unwrap();
    }
    bind(&sh, "/a", "/b", MountFlags::empty(), true);
    bind(&sh, "/a", "/c", MountFlags::empty(), false);
    assert_eq!(sh.get("/b/sub/f").unwrap(), b"f");
    assert_eq!(sh.ls("/c/sub"), [".", ".."]);
    assert_eq!(
        places(&sh),
        ["/", "/a", "/a/sub", "/beside", "/b", "/b/sub", "/c"]
    );
    sh.0.unmount(&sh.1, b"/b", Unmount::DETACH).unwrap();
    assert_eq!(sh.get("/a/sub/f").unwrap(), b"f");
}

#[test]
fn mounts_move_and_change_their_flags() {
    let sh = Shell::new();
    mounted(&sh, "/a");
    mounted(&sh, "/a/sub");
    sh.put("/a/sub/f", "f").unwrap();
    sh.mkdir("/b").unwrap();
    let moves = |from: &[u8], to: &[u8]| sh.0.move_mount(&sh.1, from, to);
    assert_eq!(moves(b"/a", b"/a/sub"), Err(Errno::ELOOP));
    assert_eq!(moves(b"/", b"/b"), Err(Errno::EINVAL));
    assert_eq!(moves(b"/b", b"/a"), Err(Errno::EINVAL));
    moves(b"/a", b"/b").unwrap();
    assert_eq!(sh.get("/b/sub/f").unwrap(), b"f");
    assert_eq!(sh.get("/a/sub/f"), Err(Errno::ENOENT));
    assert_eq!(places(&sh), ["/", "/b", "/b/sub"]);
    let set = |path: &[u8], flags| sh.0.set_mount_flags(&sh.1, path, flags);
    set(b"/b/sub", MountFlags::RDONLY).unwrap();
    assert_eq!(sh.put("/b/sub/g", ""), Err(Errno::EROFS));
    set(b"/b/sub", MountFlags::empty()).unwrap();
    sh.put("/b/sub/g", "").unwrap();
    assert_eq!(set(b"/a", MountFlags::RDONLY), Err(Errno::EINVAL));
    assert_eq!(sh.0.make_private(&sh.1, b"/"), Ok(()));
    assert_eq!(sh.0.make_private(&sh.1, b"/a"), Err(Errno::EINVAL));
}

#[test]
fn namespaces_have_mounts_of_their_own() {
    let mut sh = Shell::new();
    mounted(&sh, "/mnt");
    sh.mkdir("/mnt/dir").unwrap();
    sh.cd("/mnt/dir").unwrap();
    let first = MountSpace::initial(&sh.0).unwrap();
    let (second, [root, base]) = first.copy([&sh.1.root, &sh.1.base]).unwrap();
    let mut other = Shell(sh.0.clone(), sh.1.clone());
    (other.1.root, other.1.base) = (root, base);
    assert_eq!(other.cwd(), b"/mnt/dir");
    mounted(&other, "/own");
    other.put("/own/f", "f").unwrap();
    assert_eq!(sh.ls("/own"), [".", ".."]);
    assert_eq!(places(&other), ["/", "/mnt", "/own"]);
    assert_eq!(places(&sh), ["/", "/mnt"]);
    // Files are shared, mounts are not.
    other.put("/mnt/dir/shared", "s").unwrap();
    assert_eq!(sh.get("shared").unwrap(), b"s");
    // Nothing is mounted where the caller does not belong.
    let foreign = other
        .0
        .mount(&other.1, b".", mem_fs(), "more", MountFlags::empty());
    assert_eq!(foreign, Ok(()));
    let across = PathContext {
        root: sh.1.root.clone(),
        ..other.1.clone()
    };
    let refused =
        sh.0.mount(&across, b"dir", mem_fs(), "more", MountFlags::empty());
    assert!(refused.is_err());
    other.cd("/").unwrap();
    drop((other, across));
    assert_eq!(sh.0.mounts.all().len(), 6);
    drop(second);
    assert_eq!(places(&sh), ["/", "/mnt"]);
    assert!(sh.0.mounts.detached().is_empty());
    assert_eq!(sh.0.mounts.all().len(), 2);
    assert_eq!(sh.get("shared").unwrap(), b"s");
}

#[test]
fn a_root_is_changed_for_another() {
    let mut sh = Shell::new();
    let first = MountSpace::initial(&sh.0).unwrap();
    sh.mkdir("/new").unwrap();
    let pivoted = first.pivot_root(&sh.1, b"/new", b"/new");
    assert_eq!(pivoted.err(), Some(Errno::EINVAL));
    let (space, [root]) = first.copy([&sh.1.root]).unwrap();
    (sh.1.root, sh.1.base) = (root.clone(), root);
    let pivot = |sh: &Shell, new: &[u8], old: &[u8]| space.pivot_root(&sh.1, new, old);
    assert_eq!(pivot(&sh, b"/new", b"/new").err(), Some(Errno::EBUSY));
    mounted(&sh, "/root");
    sh.mkdir("/root/old").unwrap();
    sh.put("/root/f", "f").unwrap();
    assert_eq!(
        pivot(&sh, b"/root/old", b"/root/old").err(),
        Some(Errno::EINVAL)
    );
    assert_eq!(pivot(&sh, b"/root", b"/new").err(), Some(Errno::EBUSY));
    assert_eq!(pivot(&sh, b"/root/f", b"/root").err(), Some(Errno::ENOTDIR));
    let (old, new) = pivot(&sh, b"/root", b"/root/old").unwrap();
    assert!(old.same_as(&sh.1.root));
    (sh.1.root, sh.1.base) = (new.clone(), new);
    assert_eq!(sh.get("/f").unwrap(), b"f");
    assert_eq!(sh.ls("/old"), [".", "..", "new", "root"]);
    assert_eq!(sh.ls("/.."), [".", "..", "old", "f"]);
    assert_eq!(places(&sh), ["/old", "/"]);
    assert!(space.root().same_as(&sh.1.root));
    drop(old);
    sh.0.unmount(&sh.1, b"/old", Unmount::DETACH).unwrap();
    assert_eq!(places(&sh), ["/"]);
    assert_eq!(sh.ls("/old"), [".", ".."]);
}

#[test]
fn the_old_root_may_cover_the_new_one_until_it_goes() {
    let mut sh = Shell::new();
    let first = MountSpace::initial(&sh.0).unwrap();
    let (space, [root]) = first.copy([&sh.1.root]).unwrap();
    (sh.1.root, sh.1.base) = (root.clone(), root);
    mounted(&sh, "/root");
    sh.put("/root/f", "f").unwrap();
    sh.cd("/root").unwrap();
    let (old, new) = space.pivot_root(&sh.1, b".", b".").unwrap();
    drop(old);
    (sh.1.root, sh.1.base) = (new.clone(), new);
    sh.0.unmount(&sh.1, b".", Unmount::DETACH).unwrap();
    assert_eq!(places(&sh), ["/"]);
    assert_eq!(sh.get("/f").unwrap(), b"f");
}

#[test]
fn what_another_namespace_has_mounted_is_in_nobodys_way() {
    let sh = Shell::new();
    let first = MountSpace::initial(&sh.0).unwrap();
    let (second, [root]) = first.copy([&sh.1.root]).unwrap();
    let mut other = Shell(sh.0.clone(), sh.1.clone());
    (other.1.root, other.1.base) = (root.clone(), root);
    for place in ["/a", "/b"] {
        mounted(&other, place);
        other.put(&format!("{place}/f"), "f").unwrap();
    }
    assert_eq!(other.0.rmdir(&other.1, b"/a"), Err(Errno::EBUSY));
    sh.0.rmdir(&sh.1, b"/a").unwrap();
    sh.mkdir("/c").unwrap();
    sh.0.rename(&sh.1, b"/c", &sh.1, b"/b", 0).unwrap();
    assert_eq!(places(&other), ["/"]);
    assert_eq!(other.ls("/"), [".", "..", "b"]);
    assert_eq!(other.ls("/b"), [".", ".."]);
    assert!(sh.0.mounts.detached().is_empty());
    drop((other, second));
}

#[test]
fn walks_are_restricted() {
    let sh = Shell::new();
    mounted(&sh, "/top");
    mounted(&sh, "/top/mnt");
    sh.mkdir("/top/dir").unwrap();
    sh.put("/top/f", "f").unwrap();
    sh.put("/f", "outside").unwrap();
    sh.put("/top/mnt/m", "m").unwrap();
    for (target, link) in [
        ("f", "/top/link"),
        ("/f", "/top/absolute"),
        ("../../f", "/top/dir/up"),
        ("../f", "/top/dir/one-up"),
    ] {
        sh.ln(target, link).unwrap();
    }
    let base = sh.0.resolve(&sh.1, b"/top", true).unwrap();
    let get = |restrict, path: &str| {
        let context = sh.1.restricted(base.clone(), restrict);
        let file =
            sh.0.open(&context, path.as_bytes(), OpenFlags::empty(), 0)?;
        let mut text = [0; 1];
        let count = file.read(&mut text)?;
        Ok((count, text[0]))
    };
    let (inside, outside) = (Ok((1, b'f')), Ok((1, b'o')));
    for restrict in [Restrict::empty(), Restrict::BENEATH, Restrict::IN_ROOT] {
        for path in ["f", "link", "dir/../f", "dir/one-up", "./dir/./../f"] {
            assert_eq!(get(restrict, path), inside, "{restrict:?} {path}");
        }
        assert_eq!(get(restrict, "mnt/m"), Ok((1, b'm')));
    }
    for path in ["/f", "absolute", "../f", "dir/up", "dir/../../f"] {
        assert_eq!(get(Restrict::empty(), path), outside, "{path}");
        assert_eq!(get(Restrict::BENEATH, path), Err(Errno::EXDEV), "{path}");
        assert_eq!(get(Restrict::IN_ROOT, path), inside, "{path}");
    }
    let no_links = Restrict::NO_SYMLINKS;
    assert_eq!(get(no_links, "link"), Err(Errno::ELOOP));
    assert_eq!(get(no_links, "dir/../f"), inside);
    for path in ["mnt/m", "..", "absolute", "mnt/../f"] {
        assert_eq!(get(Restrict::NO_XDEV, path), Err(Errno::EXDEV), "{path}");
    }
    assert_eq!(get(Restrict::NO_XDEV, "dir/one-up"), inside);
    // What is made stays inside, too.
    let context = sh.1.restricted(base.clone(), Restrict::IN_ROOT);
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT;
    sh.0.open(&context, b"/../new", flags, 0o600).unwrap();
    assert_eq!(sh.get("/top/new").unwrap(), b"");
}

#[test]
fn flags_change_for_one_mount_or_all_below() {
    let sh = Shell::new();
    mounted(&sh, "/a");
    mounted(&sh, "/a/sub");
    mounted(&sh, "/b");
    let change = |path: &[u8], set, clear, recursive| {
        let at = sh.0.resolve(&sh.1, path, true)?;
        sh.0.change_mount_flags(&sh.1, &at, (set, clear), recursive)
    };
    let (none, read_only) = (MountFlags::empty(), MountFlags::RDONLY);
    let writable = || ["/a/f", "/a/sub/f", "/b/f"].map(|path| sh.put(path, "").is_ok());
    change(b"/a", read_only | MountFlags::NOEXEC, none, false).unwrap();
    assert_eq!(writable(), [false, true, true]);
    change(b"/a", read_only, none, true).unwrap();
    assert_eq!(writable(), [false, false, true]);
    change(b"/a", none, read_only, true).unwrap();
    assert_eq!(writable(), [true; 3]);
    let at = sh.0.resolve(&sh.1, b"/a", true).unwrap();
    assert_eq!(at.mount.flags(), MountFlags::NOEXEC);
    sh.mkdir("/a/dir").unwrap();
    assert_eq!(change(b"/a/dir", read_only, none, true), Err(Errno::EINVAL));
}
