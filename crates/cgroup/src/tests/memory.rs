//! The files of the memory controller.

use super::World;
use paddock_frames::Kind;
use paddock_vfs::{Errno, Result};

/// `/a/b` with processes 1 and 2, in which memory is counted.
fn world() -> Result<World> {
    let world = World::new();
    world.write("/cgroup.subtree_control", "+memory")?;
    world.mkdir("/a")?;
    world.write("/a/cgroup.subtree_control", "+memory")?;
    world.mkdir("/a/b")?;
    for pid in [1, 2] {
        world.machine.fork(pid, &world.group("/a/b"))?;
    }
    Ok(world)
}

#[test]
fn what_is_charged_is_shown_here_and_above() -> Result<()> {
    let world = world()?;
    for kind in [Kind::Anonymous, Kind::Anonymous, Kind::Shared, Kind::Tables] {
        world.machine.touch(1, kind)?;
    }
    for group in ["/a", "/a/b"] {
        assert_eq!(world.read(&format!("{group}/memory.current"))?, "16384\n");
        let stat = world.read(&format!("{group}/memory.stat"))?;
        let expected = "anon 8192\nfile 4096\nkernel 4096\npagetables 4096\nshmem 4096\n";
        assert_eq!(stat, expected);
    }
    world.machine.exit(1);
    assert_eq!(world.read("/a/memory.current")?, "0\n");
    assert_eq!(world.read("/a/memory.peak")?, "16384\n");
    assert_eq!(world.read("/memory.current"), Err(Errno::ENOENT));
    Ok(())
}

#[test]
fn a_limit_holds_for_those_below_and_reading_gives_bytes() -> Result<()> {
    let world = world()?;
    assert_eq!(world.read("/a/memory.max")?, "max\n");
    world.write("/a/memory.max", "9K")?;
    assert_eq!(world.read("/a/memory.max")?, "8192\n");
    world.machine.touch(1, Kind::Anonymous)?;
    world.machine.touch(2, Kind::Anonymous)?;
    assert_eq!(world.machine.touch(2, Kind::Anonymous), Err(Errno::ENOMEM));
    assert_eq!(world.read("/a/b/memory.current")?, "8192\n");
    assert_eq!(world.write("/a/memory.max", "much"), Err(Errno::EINVAL));
    assert_eq!(world.write("/a/memory.oom.group", "2"), Err(Errno::EINVAL));
    world.write("/a/memory.oom.group", "1")?;
    assert_eq!(world.read("/a/memory.oom.group")?, "1\n");
    // Without the controller nothing is limited.
    world.write("/a/cgroup.subtree_control", "-memory")?;
    world.write("/cgroup.subtree_control", "-memory")?;
    world.machine.touch(2, Kind::Anonymous)?;
    world.write("/cgroup.subtree_control", "+memory")?;
    assert_eq!(world.read("/a/memory.oom.group")?, "0\n");
    Ok(())
}

#[test]
fn less_than_there_is_kills_and_is_told() -> Result<()> {
    let world = world()?;
    world.machine.touch(1, Kind::Anonymous)?;
    world.machine.touch(2, Kind::Anonymous)?;
    world.write("/a/memory.max", "4096")?;
    assert_eq!(world.read("/a/memory.current")?, "4096\n");
    assert_eq!(world.value("/a/memory.events", "oom_kill "), 1);
    assert_eq!(world.value("/a/memory.events.local", "oom_kill "), 0);
    assert_eq!(world.value("/a/b/memory.events.local", "oom_kill "), 1);
    Ok(())
}

#[test]
fn what_a_group_leaves_behind_counts_above_until_it_is_given_back() -> Result<()> {
    let world = world()?;
    world.machine.touch(1, Kind::Shared)?;
    world.mkdir("/c")?;
    for pid in [1, 2] {
        let to = format!("{pid}");
        world.write("/c/cgroup.procs", &to)?;
    }
    world.rmdir("/a/b")?;
    assert_eq!(world.read("/a/memory.current")?, "4096\n");
    assert_eq!(world.read("/c/memory.current")?, "0\n");
    world.machine.touch(1, Kind::Anonymous)?;
    assert_eq!(world.read("/c/memory.current")?, "4096\n");
    assert_eq!(world.machine.accounts(), 3);
    world.machine.exit(1);
    assert_eq!(world.read("/a/memory.current")?, "0\n");
    assert_eq!(world.machine.accounts(), 2);
    Ok(())
}

#[test]
fn the_highest_that_goes_as_a_whole_is_found_below_the_limit() -> Result<()> {
    let world = world()?;
    let [a, b] = ["/a", "/a/b"].map(|path| world.group(path));
    assert!(b.oom_group(&a).is_none());
    world.write("/a/b/memory.oom.group", "1")?;
    assert_eq!(b.oom_group(&a).unwrap().id(), b.id());
    world.write("/a/memory.oom.group", "1")?;
    assert_eq!(b.oom_group(&a).unwrap().id(), a.id());
    assert_eq!(b.oom_group(&b).unwrap().id(), b.id());
    Ok(())
}
