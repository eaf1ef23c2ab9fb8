use super::World;
use crate::MAX_DEPTH;
use paddock_sync::Ready;
use paddock_vfs::{Errno, OpenFlags, Result, SetMetadata};
use std::sync::Arc;

#[test]
fn groups_are_directories() -> Result<()> {
    let world = World::new();
    world.mkdir("/a")?;
    world.mkdir("/a/b")?;
    assert_eq!(world.mkdir("/a"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/a/cgroup.procs"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/a/x\ny"), Err(Errno::EINVAL));
    assert_eq!(world.rmdir("/a"), Err(Errno::EBUSY));
    assert_eq!(world.group("/a/b").path()?, b"/a/b");
    assert_eq!(world.group("/").path()?, b"/");
    assert_eq!(world.value("/cgroup.stat", "nr_descendants"), 2);
    let context = world.context();
    let refused = world.namespace.unlink(&context, b"/a/cgroup.procs");
    assert_eq!(refused, Err(Errno::EPERM));
    let held = world.group("/a/b");
    world.rmdir("/a/b")?;
    assert_eq!(world.value("/a/cgroup.stat", "nr_dying_descendants"), 1);
    drop(held);
    assert_eq!(
        world.read("/a/cgroup.stat")?,
        "nr_descendants 0\nnr_dying_descendants 0\n"
    );
    world.rmdir("/a")?;
    assert_eq!(world.read("/a/cgroup.stat"), Err(Errno::ENOENT));
    Ok(())
}

#[test]
fn a_removed_group_is_of_no_use() -> Result<()> {
    let world = World::new();
    world.mkdir("/a")?;
    let flags = OpenFlags::RDWR;
    let file = world
        .namespace
        .open(&world.context(), b"/a/pids.max", flags, 0);
    assert_eq!(
        file.err(),
        Some(Errno::ENOENT),
        "the controller is not enabled"
    );
    let file = world
        .namespace
        .open(&world.context(), b"/a/cgroup.freeze", flags, 0)?;
    let inside =
        world
            .context()
            .with_base(world.namespace.resolve(&world.context(), b"/a", true)?);
    world.rmdir("/a")?;
    assert_eq!(file.write(b"1"), Err(Errno::ENODEV));
    assert_eq!(file.read(&mut [0; 10]), Err(Errno::ENODEV));
    let made = world.namespace.mkdir(&inside, b"b", 0o755);
    assert_eq!(made.err(), Some(Errno::ENOENT));
    Ok(())
}

#[test]
fn directories_list_what_there_is() -> Result<()> {
    let world = World::new();
    let names = |path: &str| {
        let file = world
            .namespace
            .open(&world.context(), path.as_bytes(), OpenFlags::empty(), 0);
        let mut names = Vec::new();
        file.unwrap()
            .readdir(&mut |entry| {
                names.push(String::from_utf8(entry.name.to_vec()).unwrap());
                true
            })
            .unwrap();
        names
    };
    world.mkdir("/a")?;
    assert!(!names("/a").contains(&"pids.max".to_owned()));
    world.write("/cgroup.subtree_control", "+pids")?;
    world.mkdir("/b")?;
    for (path, has) in [("/a", true), ("/b", true), ("/", false)] {
        assert_eq!(names(path).contains(&"pids.max".to_owned()), has, "{path}");
    }
    let root = names("/");
    assert!(
        root.ends_with(&["a".to_owned(), "b".to_owned()]),
        "{root:?}"
    );
    assert!(!root.contains(&"cgroup.kill".to_owned()));
    world.write("/cgroup.subtree_control", "-pids")?;
    assert!(!names("/a").contains(&"pids.max".to_owned()));
    assert_eq!(world.read("/a/pids.max"), Err(Errno::ENOENT));
    Ok(())
}

#[test]
fn controllers_go_down_step_by_step() -> Result<()> {
    let world = World::new();
    world.mkdir("/a")?;
    world.mkdir("/a/b")?;
    assert_eq!(world.read("/cgroup.controllers")?, "cpu memory pids\n");
    assert_eq!(world.read("/a/cgroup.controllers")?, "\n");
    let control = "/a/cgroup.subtree_control";
    assert_eq!(world.write(control, "+pids"), Err(Errno::ENOENT));
    world.write("/cgroup.subtree_control", "+pids +memory")?;
    assert_eq!(world.write(control, "+io"), Err(Errno::EINVAL));
    assert_eq!(world.write(control, "pids"), Err(Errno::EINVAL));
    assert_eq!(world.write(control, "+cpu"), Err(Errno::ENOENT));
    world.write(control, "+pids")?;
    assert_eq!(world.read(control)?, "pids\n");
    assert_eq!(world.read("/a/b/cgroup.controllers")?, "pids\n");
    let up = world.write("/cgroup.subtree_control", "-pids");
    assert_eq!(up, Err(Errno::EBUSY));
    world.write("/a/b/pids.max", "7")?;
    world.write(control, "-pids +pids -pids")?;
    world.write(control, "+pids")?;
    assert_eq!(world.read("/a/b/pids.max")?, "max\n", "set anew");
    Ok(())
}

#[test]
fn processes_are_in_leaves_where_memory_is_shared_out() -> Result<()> {
    let world = World::new();
    world.write("/cgroup.subtree_control", "+pids +memory")?;
    world.mkdir("/a")?;
    world.mkdir("/a/b")?;
    world.machine.fork(10, world.machine.hierarchy.root())?;
    world.write("/a/cgroup.procs", "10")?;
    assert_eq!(world.read("/a/cgroup.procs")?, "10\n");
    let control = "/a/cgroup.subtree_control";
    assert_eq!(world.write(control, "+memory"), Err(Errno::EBUSY));
    assert_eq!(world.read("/a/cgroup.type")?, "domain\n");
    // A controller that bears processes beside groups makes those no domains.
    world.write(control, "+pids")?;
    assert_eq!(world.read("/a/cgroup.type")?, "domain threaded\n");
    assert_eq!(world.read("/a/b/cgroup.type")?, "domain invalid\n");
    assert_eq!(
        world.write("/a/b/cgroup.procs", "10"),
        Err(Errno::EOPNOTSUPP)
    );
    world.write("/cgroup.procs", "10")?;
    world.write("/a/b/cgroup.procs", "10")?;
    assert_eq!(world.write("/a/cgroup.procs", "10"), Err(Errno::EBUSY));
    world.write(control, "+memory")?;
    assert_eq!(world.write("/a/cgroup.procs", "10"), Err(Errno::EBUSY));
    assert_eq!(
        world.write("/a/cgroup.type", "threaded"),
        Err(Errno::EOPNOTSUPP)
    );
    assert_eq!(world.write("/a/cgroup.type", "domain"), Err(Errno::EINVAL));
    Ok(())
}

#[test]
fn limits_of_tasks_bind_the_groups_below() -> Result<()> {
    let world = World::new();
    world.write("/cgroup.subtree_control", "+pids")?;
    world.mkdir("/a")?;
    world.write("/a/cgroup.subtree_control", "+pids")?;
    world.mkdir("/a/b")?;
    world.write("/a/pids.max", "2")?;
    for wrong in ["-1", "4194305", "1k", "", "+"] {
        assert_eq!(
            world.write("/a/pids.max", wrong),
            Err(Errno::EINVAL),
            "{wrong}"
        );
    }
    let low = world.group("/a/b");
    world.machine.fork(10, &low)?;
    world.machine.fork(11, &low)?;
    assert_eq!(world.machine.fork(12, &low), Err(Errno::EAGAIN));
    assert_eq!(world.read("/a/b/pids.current")?, "2\n");
    assert_eq!(world.read("/a/pids.current")?, "2\n");
    assert_eq!(world.read("/a/pids.peak")?, "2\n");
    assert_eq!(world.value("/a/pids.events", "max"), 1);
    assert_eq!(world.value("/a/pids.events.local", "max"), 1);
    assert_eq!(world.value("/a/b/pids.events", "max"), 0);
    // What goes to another group below it does not change it.
    world.mkdir("/a/c")?;
    world.write("/a/c/cgroup.procs", "10")?;
    world.write("/a/b/cgroup.procs", "10")?;
    assert_eq!(world.read("/a/pids.peak")?, "2\n");
    assert_eq!(world.read("/a/c/pids.current")?, "0\n");
    // Moving is no fork.
    world.machine.fork(13, world.machine.hierarchy.root())?;
    world.write("/a/b/cgroup.procs", "13")?;
    assert_eq!(world.read("/a/pids.current")?, "3\n");
    world.machine.exit(10);
    world.machine.exit(11);
    world.machine.fork(12, &low)?;
    assert_eq!(world.read("/a/pids.current")?, "2\n");
    Ok(())
}

#[test]
fn events_are_told_to_those_who_wait() -> Result<()> {
    let world = World::new();
    world.mkdir("/a")?;
    world.mkdir("/a/b")?;
    let file =
        world
            .namespace
            .open(&world.context(), b"/a/cgroup.events", OpenFlags::empty(), 0)?;
    let read = || {
        let mut buf = [0; 100];
        let len = file.pread(0, &mut (&mut buf).into()).unwrap();
        String::from_utf8(buf[..len].to_vec()).unwrap()
    };
    let is_new = || file.file().ready().contains(Ready::PRI | Ready::ERR);
    assert!(is_new(), "nobody has read it");
    assert_eq!(read(), "populated 0\nfrozen 0\n");
    assert!(!is_new());
    world.machine.fork(5, &world.group("/a/b"))?;
    assert!(is_new());
    assert_eq!(read(), "populated 1\nfrozen 0\n");
    world.machine.fork(6, &world.group("/a/b"))?;
    world.machine.exit(5);
    assert!(!is_new(), "it is populated still");
    assert_eq!(world.rmdir("/a/b"), Err(Errno::EBUSY));
    world.write("/a/cgroup.kill", "1")?;
    assert!(is_new());
    assert_eq!(read(), "populated 0\nfrozen 0\n");
    assert!(file.file().wait_queue().is_some());
    Ok(())
}

#[test]
fn a_group_freezes_with_those_below() -> Result<()> {
    let world = World::new();
    world.mkdir("/a")?;
    world.mkdir("/a/b")?;
    let low = world.group("/a/b");
    world.machine.fork(5, &low)?;
    assert_eq!(world.write("/a/cgroup.freeze", "2"), Err(Errno::ERANGE));
    assert_eq!(world.write("/a/cgroup.freeze", "x"), Err(Errno::EINVAL));
    world.write("/a/cgroup.freeze", "1")?;
    world.machine.fork(6, &low)?;
    assert!(world.machine.is_frozen(5) && world.machine.is_frozen(6));
    for path in ["/a", "/a/b"] {
        let events = world.read(&format!("{path}/cgroup.events"))?;
        assert_eq!(events, "populated 1\nfrozen 1\n");
    }
    assert_eq!(world.read("/a/b/cgroup.freeze")?, "0\n");
    world.mkdir("/a/c")?;
    assert_eq!(world.value("/a/c/cgroup.events", "frozen"), 1);
    world.write("/a/b/cgroup.freeze", "1")?;
    world.write("/a/cgroup.freeze", "0")?;
    assert!(world.machine.is_frozen(5));
    assert_eq!(world.value("/a/cgroup.events", "frozen"), 0);
    assert_eq!(world.value("/a/b/cgroup.events", "frozen"), 1);
    world.write("/cgroup.procs", "5")?;
    assert!(!world.machine.is_frozen(5));
    world.write("/a/b/cgroup.freeze", "0")?;
    assert!(!world.machine.is_frozen(6));
    Ok(())
}

#[test]
fn time_stays_with_the_group_in_which_it_was_used() -> Result<()> {
    let world = World::new();
    for path in ["/a", "/a/b", "/c"] {
        world.mkdir(path)?;
    }
    world.machine.fork(5, &world.group("/a/b"))?;
    world.machine.run(5, 3_000_000);
    let used = |path: &str| world.value(&format!("{path}/cpu.stat"), "usage_usec");
    assert_eq!((used("/a"), used("/a/b"), used("/c")), (3000, 3000, 0));
    world.write("/c/cgroup.procs", "5")?;
    world.machine.run(5, 1_000_000);
    assert_eq!((used("/a"), used("/c")), (3000, 1000));
    world.machine.exit(5);
    world.rmdir("/a/b")?;
    assert_eq!((used("/a"), used("/c"), used("/")), (3000, 1000, 4000));
    Ok(())
}

#[test]
fn what_was_delegated_is_kept_together() -> Result<()> {
    let world = World::new();
    for path in ["/own", "/other"] {
        world.mkdir(path)?;
    }
    let give = |path: &str| {
        let at = world
            .namespace
            .resolve(&world.context(), path.as_bytes(), true);
        let change = SetMetadata {
            uid: Some(1000),
            ..SetMetadata::default()
        };
        at.unwrap().inode().set_metadata(&change).unwrap();
    };
    for path in ["/own", "/own/cgroup.procs", "/other/cgroup.procs"] {
        give(path);
    }
    let root = world.machine.hierarchy.root();
    world.machine.fork(5, root)?;
    world.machine.fork(6, &world.group("/own"))?;
    world.machine.become_user(1000);
    world.mkdir("/own/web")?;
    assert_eq!(world.mkdir("/web"), Err(Errno::EACCES));
    world.write("/own/web/cgroup.procs", "6")?;
    // Its own group, but not what both are in.
    assert_eq!(world.write("/own/cgroup.procs", "5"), Err(Errno::EACCES));
    assert_eq!(world.write("/other/cgroup.procs", "6"), Err(Errno::EACCES));
    assert_eq!(world.write("/own/cgroup.freeze", "1"), Err(Errno::EACCES));
    world.write("/own/web/cgroup.freeze", "1")?;
    let file = world.namespace.open(
        &world.context(),
        b"/own/web/cgroup.procs",
        OpenFlags::WRONLY,
        0,
    )?;
    // Whoever opened it counts.
    world.machine.become_user(0);
    assert_eq!(file.write(b"5"), Err(Errno::EACCES));
    let web = world.group("/own/web");
    let cred = world.context().cred;
    assert_eq!(world.fs.check_move(&cred, root, &web), Ok(()));
    Ok(())
}

#[test]
fn there_are_only_so_many_and_so_deep() -> Result<()> {
    let world = World::new();
    let mut path = String::new();
    for _ in 0..MAX_DEPTH {
        path.push_str("/d");
        world.mkdir(&path)?;
    }
    path.push_str("/d");
    assert_eq!(world.mkdir(&path), Err(Errno::EAGAIN));
    world.write("/d/cgroup.max.depth", "2")?;
    for wrong in ["-1", "x"] {
        let error = world.write("/d/cgroup.max.depth", wrong).unwrap_err();
        assert_eq!(
            error,
            if wrong == "x" {
                Errno::EINVAL
            } else {
                Errno::ERANGE
            }
        );
    }
    world.mkdir("/d/e")?;
    world.mkdir("/d/e/f")?;
    assert_eq!(world.mkdir("/d/e/f/g"), Err(Errno::EAGAIN));
    world.write("/d/cgroup.max.descendants", "66")?;
    world.mkdir("/d/h")?;
    assert_eq!(world.mkdir("/d/i"), Err(Errno::EAGAIN));
    // Who makes them pays.
    let mut made = 0;
    let error = loop {
        match world.mkdir(&format!("/n{made}")) {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Errno::ENOMEM);
    assert!(made < 256);
    world.rmdir("/n0")?;
    world.mkdir("/n0")
}

#[test]
fn a_file_stays_the_same_inode() -> Result<()> {
    let world = World::new();
    world.mkdir("/a")?;
    let at = |path: &str| {
        world
            .namespace
            .resolve(&world.context(), path.as_bytes(), true)
    };
    let (one, two) = (at("/a/cgroup.events")?, at("/a/cgroup.events")?);
    assert!(Arc::ptr_eq(one.inode(), two.inode()));
    assert!(Arc::ptr_eq(at("/a")?.inode(), at("/a")?.inode()));
    Ok(())
}

#[test]
fn groups_are_seen_from_one_another() {
    let world = World::new();
    for path in ["/a", "/a/b", "/a/b/c", "/ab", "/d", "/d/e"] {
        world.mkdir(path).unwrap();
    }
    let seen = |own: &str, from: &str| {
        let path = world.group(own).path_from(&world.group(from));
        String::from_utf8(path.unwrap()).unwrap()
    };
    assert_eq!(seen("/a/b", "/"), "/a/b");
    assert_eq!(seen("/", "/"), "/");
    assert_eq!(seen("/a/b", "/a/b"), "/");
    assert_eq!(seen("/a/b/c", "/a"), "/b/c");
    assert_eq!(seen("/", "/a/b"), "/../..");
    assert_eq!(seen("/a", "/a/b"), "/..");
    assert_eq!(seen("/ab", "/a"), "/../ab");
    assert_eq!(seen("/d/e", "/a/b"), "/../../d/e");
}
