//! Mounts, where they are seen and how they move.

use super::*;
use paddock_charge::Account;
use paddock_cred::Cred;

fn account() -> Arc<Account> {
    Account::of_user(usize::MAX).unwrap()
}

/// A user in a user namespace of their own, and in a copy of the mounts.
fn less_privileged(sh: &Shell, first: &MountSpace) -> (Arc<MountSpace>, Shell) {
    let cred = Cred::user(1000, 1000)
        .with_new_namespace(&account())
        .unwrap();
    let copy = first.copy([&sh.1.root], &cred.user_namespace, &account());
    let (space, [root]) = copy.unwrap();
    let mut other = Shell(sh.0.clone(), sh.1.clone());
    (other.1.root, other.1.base) = (root.clone(), root);
    other.1.cred = Arc::new(cred);
    (space, other)
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

/// A copy of a namespace with the same rights to it, and where `places` are there.
fn copied<const N: usize>(first: &MountSpace, places: [&Path; N]) -> (Arc<MountSpace>, [Path; N]) {
    first.copy(places, first.owner(), &account()).unwrap()
}

/// Mounts a filesystem at `place`, which is made.
pub(super) fn mounted(sh: &Shell, place: &str) {
    sh.mkdir(place).unwrap();
    let flags = MountFlags::empty();
    let mounted = sh.0.mount(&sh.1, place.as_bytes(), mem_fs(), "more", flags);
    mounted.unwrap();
}

#[test]
fn who_works_on_all_filesystems_is_not_in_the_way_of_umount() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    // As sync(2) and whoever writes back have them, for as long as that takes.
    let all = sh.0.mounts.filesystems();
    assert_eq!(all.len(), 2);
    sh.0.unmount(&sh.1, b"/mnt", Unmount::empty()).unwrap();
    for fs in all {
        fs.sync().unwrap();
    }
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

fn bind(sh: &Shell, from: &str, to: &str, flags: MountFlags, recursive: bool) {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    sh.0.bind(&sh.1, from, to, recursive).unwrap();
    if !flags.is_empty() {
        sh.0.set_mount_flags(&sh.1, to, flags).unwrap();
    }
}

/// The places of the mounts that a shell sees.
pub(super) fn places(sh: &Shell) -> Vec<String> {
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
    assert_eq!(moves(b"/", b"/b"), Err(Errno::ELOOP));
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
    let (second, [root, base]) = copied(&first, [&sh.1.root, &sh.1.base]);
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
    let (space, [root]) = copied(&first, [&sh.1.root]);
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
    let (space, [root]) = copied(&first, [&sh.1.root]);
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
    let (second, [root]) = copied(&first, [&sh.1.root]);
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

#[test]
fn rights_to_mounts_are_those_of_the_user_namespace() {
    let sh = Shell::new();
    for place in ["/mnt", "/a"] {
        mounted(&sh, place);
    }
    let first = MountSpace::initial(&sh.0).unwrap();
    let (_space, mut other) = less_privileged(&sh, &first);
    let none = MountFlags::empty();
    let own = other.0.mount(&other.1, b"/a", mem_fs(), "own", none);
    assert_eq!(own, Ok(()));
    assert_eq!(places(&other), ["/", "/mnt", "/a", "/a"]);
    // Its capabilities count for nothing where the first namespace's mounts are.
    let inside = other.1.clone();
    other.1.root = sh.1.root.clone();
    let refusals = [
        other.0.mount(&other.1, b"/a", mem_fs(), "own", none),
        other.0.bind(&other.1, b"/a", b"/mnt", true),
        other.0.move_mount(&other.1, b"/a", b"/mnt"),
        other.0.unmount(&other.1, b"/a", Unmount::DETACH),
        other.0.set_mount_flags(&other.1, b"/a", none),
        other.0.make_private(&other.1, b"/a"),
        other.0.may_mount(&other.1),
    ];
    assert!(
        refusals.iter().all(|it| *it == Err(Errno::EPERM)),
        "{refusals:?}"
    );
    other.1 = inside;
    let force = other.0.unmount(&other.1, b"/a", Unmount::FORCE);
    assert_eq!(force, Err(Errno::EPERM));
    assert_eq!(other.0.unmount(&other.1, b"/a", Unmount::empty()), Ok(()));
    assert_eq!(places(&sh), ["/", "/mnt", "/a"]);
}

#[test]
fn inherited_mounts_stay_where_they_are() {
    let sh = Shell::new();
    sh.put("/secret", "").unwrap();
    for place in ["/mnt", "/a", "/mnt/sub"] {
        mounted(&sh, place);
    }
    sh.0.set_mount_flags(&sh.1, b"/mnt", MountFlags::RDONLY | MountFlags::NOSUID)
        .unwrap();
    let first = MountSpace::initial(&sh.0).unwrap();
    let (space, mut other) = less_privileged(&sh, &first);
    let (tree, none) = (sh.0.clone(), MountFlags::empty());
    let unmount = |other: &Shell, place: &[u8]| tree.unmount(&other.1, place, Unmount::DETACH);
    let flags = |other: &Shell, place: &[u8], flags| tree.set_mount_flags(&other.1, place, flags);
    assert_eq!(unmount(&other, b"/mnt/sub"), Err(Errno::EINVAL));
    assert_eq!(
        tree.move_mount(&other.1, b"/a", b"/mnt"),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        flags(&other, b"/mnt", MountFlags::NOSUID),
        Err(Errno::EPERM)
    );
    assert_eq!(
        flags(&other, b"/mnt", MountFlags::RDONLY),
        Err(Errno::EPERM)
    );
    let more = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    assert_eq!(flags(&other, b"/mnt", more), Ok(()));
    let at = tree.resolve(&other.1, b"/mnt", true).unwrap();
    let cleared = tree.change_mount_flags(&other.1, &at, (none, MountFlags::RDONLY), true);
    assert_eq!(cleared, Err(Errno::EPERM));
    drop(at);
    // One mount alone would show what is below another one.
    let bind = |other: &Shell, from: &[u8], to: &[u8], all| tree.bind(&other.1, from, to, all);
    assert_eq!(bind(&other, b"/", b"/a", false), Err(Errno::EINVAL));
    assert_eq!(bind(&other, b"/mnt", b"/a", true), Ok(()));
    assert_eq!(
        flags(&other, b"/a", none),
        Err(Errno::EPERM),
        "a copy keeps its flags"
    );
    assert_eq!(unmount(&other, b"/a/sub"), Err(Errno::EINVAL));
    assert_eq!(unmount(&other, b"/a"), Ok(()), "all of it is its own");
    assert_eq!(unmount(&other, b"/a"), Err(Errno::EINVAL));
    // The first root may go as a whole, and what takes its place stays.
    assert_eq!(bind(&other, b"/", b"/a", true), Ok(()));
    let (old, new) = space.pivot_root(&other.1, b"/a", b"/a/mnt").unwrap();
    drop(old);
    (other.1.root, other.1.base) = (new.clone(), new);
    assert_eq!(unmount(&other, b"/mnt"), Ok(()));
    let root = tree.resolve(&other.1, b"/", true).unwrap();
    assert!(root.mount().is_locked());
}

#[test]
fn mounts_of_others_are_not_bound() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    let first = MountSpace::initial(&sh.0).unwrap();
    let (_space, mut other) = less_privileged(&sh, &first);
    other.1.base = sh.1.root.clone();
    let bound = other.0.bind(&other.1, b"mnt", b"/mnt", true);
    assert_eq!(bound, Err(Errno::EINVAL));
    let foreign = other.0.resolve(&other.1, b"mnt", true).unwrap();
    let own = other.0.resolve(&other.1, b"/mnt", true).unwrap();
    let may = |at: &Path, cred| at.mount().may_set_user(cred, &other.1.root);
    assert!(!may(&foreign, &other.1.cred) && may(&own, &other.1.cred));
    assert!(
        !may(&own, &Cred::root()),
        "of a namespace with fewer rights"
    );
    assert!(foreign.mount().may_set_user(&Cred::root(), &sh.1.root));
}

#[test]
fn a_filesystem_is_shown_whole_or_is_not() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    let at = sh.0.resolve(&sh.1, b"/mnt", true).unwrap();
    let kind = at.mount().fs().kind();
    drop(at);
    let none = MountFlags::empty();
    let shows = |other: &Shell, flags| other.0.shows_all_of(&other.1, kind, flags).unwrap();
    let first = MountSpace::initial(&sh.0).unwrap();
    let (_space, mut other) = less_privileged(&sh, &first);
    assert!(shows(&other, none));
    assert!(!other.0.shows_all_of(&other.1, "nothing", none).unwrap());
    // With nothing but a tree of which a part is hidden.
    let top = other.0.resolve(&other.1, b"/", true).unwrap();
    assert!(other.0.has_locked_below(&top).unwrap());
    let at = other.0.resolve(&other.1, b"/mnt", true).unwrap();
    assert!(!other.0.has_locked_below(&at).unwrap());
    drop((top, at));
    other.1.root = sh.1.root.clone();
    drop((other, _space));
    for place in [&b"/mnt"[..], b"/"] {
        sh.0.set_mount_flags(&sh.1, place, MountFlags::RDONLY)
            .unwrap();
    }
    let (_space, other) = less_privileged(&sh, &first);
    assert!(
        !shows(&other, none),
        "what cannot be changed is not shown to be"
    );
    assert!(shows(&other, MountFlags::RDONLY));
}

#[test]
fn mounts_are_paid_for() {
    let sh = Shell::new();
    mounted(&sh, "/mnt");
    let first = MountSpace::initial(&sh.0).unwrap();
    let cred = Cred::user(1000, 1000)
        .with_new_namespace(&account())
        .unwrap();
    let poor = Account::of_user(1000).unwrap();
    let copy = first.copy([&sh.1.root], &cred.user_namespace, &poor);
    assert_eq!(copy.err(), Some(Errno::ENOMEM));
    let payer = Account::of_user(20_000).unwrap();
    let (space, [root]) = first
        .copy([&sh.1.root], &cred.user_namespace, &payer)
        .unwrap();
    let context = PathContext {
        base: root.clone(),
        root,
        cred: Arc::new(cred),
        ..sh.1.clone()
    };
    let none = MountFlags::empty();
    let mut mounted = 0;
    while sh.0.mount(&context, b"/mnt", mem_fs(), "own", none).is_ok() {
        mounted += 1;
    }
    assert!((1..5).contains(&mounted), "{mounted}");
    drop((context, space));
    assert_eq!(payer.bytes(), 0);
}
