mod detached;
mod handles;
mod mounts;
mod remount;

use super::*;
use crate::mem_fs::MemFs;
use crate::{Clock, Errno, HeapPages, OpenFlags, Result, Timestamp};
use alloc::format;
use alloc::vec::Vec;
use paddock_abi::fcntl::{RENAME_EXCHANGE, RENAME_NOREPLACE};

/// Names that are kept when nobody uses them.
const KEPT_NAMES: usize = 64;

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
    let namespace =
        MountNamespace::new(mem_fs(), "none", Arc::new(NoSpecialNodes), KEPT_NAMES).unwrap();
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

#[test]
fn nothing_is_kept_of_a_name_that_is_gone() {
    let sh = Shell::new();
    let context = &sh.1;
    let root = context.root.clone();
    for name in ["/closed", "/open"] {
        sh.put(name, "x").unwrap();
    }
    let open = sh.0.open(context, b"/open", OpenFlags::empty(), 0).unwrap();
    sh.mkdir("/folder").unwrap();
    for name in ["/closed", "/open"] {
        sh.0.unlink(context, name.as_bytes()).unwrap();
    }
    sh.rmdir("/folder").unwrap();
    assert_eq!(root.dentry.known_names(), 0);
    drop(open);
    assert_eq!(root.dentry.known_names(), 0);
}

/// Directories that nobody else uses go with it, one out of the list of the other.
#[test]
fn nothing_is_kept_of_the_directories_of_a_file_that_is_closed_last() {
    let sh = Shell::new();
    let (namespace, context) = (&sh.0, &sh.1);
    for dir in ["/a", "/a/b", "/a/b/c"] {
        sh.mkdir(dir).unwrap();
    }
    sh.put("/a/b/c/file", "x").unwrap();
    let open = namespace.open(context, b"/a/b/c/file", OpenFlags::empty(), 0);
    namespace.cache.clear();
    let root = &context.root.dentry;
    assert_eq!(root.known_names(), 1);
    drop(open);
    assert_eq!(root.known_names(), 0);
}

/// Names that nobody uses are kept up to a number, and those that are looked up again
/// and again before others.
#[test]
fn only_so_many_names_are_kept() {
    let sh = Shell::new();
    let (namespace, context) = (&sh.0, &sh.1);
    let root = &context.root.dentry;
    sh.put("/hot", "x").unwrap();
    let hot = namespace
        .resolve(context, b"/hot", true)
        .map(|path| Arc::downgrade(&path.dentry))
        .unwrap();
    for number in 0..200 {
        sh.put(&format!("/file-{number}"), "x").unwrap();
        assert_eq!(sh.get("/hot").unwrap(), b"x");
        assert!(root.known_names() <= KEPT_NAMES);
    }
    assert_eq!(root.known_names(), KEPT_NAMES);
    assert!(hot.upgrade().is_some());
    assert_eq!(namespace.shrink_names(10), 10);
    assert_eq!(root.known_names(), KEPT_NAMES - 10);
    assert!(hot.upgrade().is_some());
    assert_eq!(namespace.shrink_names(1000), KEPT_NAMES - 10);
    assert_eq!(namespace.shrink_names(1), 0);
    sh.put("/file-7", "y").unwrap();
    assert_eq!(root.known_names(), 1);
    namespace.shrink();
    assert_eq!(root.known_names(), 0);
    assert_eq!(sh.get("/file-7").unwrap(), b"y");
}
