//! madvise(2): what a child has of what is not to be forked, or to be wiped.
use crate::cases::contracts::prelude::*;

const MADV_WIPEONFORK: i32 = 18;
const MADV_KEEPONFORK: i32 = 19;

fn advise(map: &Map, advice: i32) -> Result<i32, Errno> {
    call!(madvise(map.address(0).cast_mut(), map.length, advice))
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'f'; PAGE])?;
    let map = Map::memory(PAGE)?;
    map.write(0, 7);
    let seen = || sys::in_child(|| i32::from(map.read(0)));
    t.same("a child has it", seen(), Ok(End::Exited(7)));
    t.works("not to be forked", advise(&map, MADV_DONTFORK));
    t.same("is not there", seen(), Ok(End::Killed(SIGSEGV)));
    t.works("to be forked", advise(&map, MADV_DOFORK));
    t.same("is", seen(), Ok(End::Exited(7)));
    t.works("to be wiped", advise(&map, MADV_WIPEONFORK));
    t.same("is zeros", seen(), Ok(End::Exited(0)));
    t.same("only there", map.read(0), 7);
    let nested = sys::in_child(|| {
        map.write(0, 9);
        match sys::in_child(|| i32::from(map.read(0))) {
            Ok(End::Exited(0)) => i32::from(map.read(0)),
            _ => 1,
        }
    });
    t.same("a grandchild as well", nested, Ok(End::Exited(9)));
    t.works("to be kept", advise(&map, MADV_KEEPONFORK));
    t.same("is kept", seen(), Ok(End::Exited(7)));
    let shared = Map::new(PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    t.refused(
        "shared memory is not wiped",
        advise(&shared, MADV_WIPEONFORK),
        EINVAL,
    );
    let of_file = Map::new(PAGE, PROT_READ, MAP_PRIVATE, opened("f", O_RDONLY)?)?;
    t.refused("nor a file's", advise(&of_file, MADV_WIPEONFORK), EINVAL);
    t.works("which may be not forked", advise(&of_file, MADV_DONTFORK));
    let flags = |map: &Map| smaps_of(map.start, "VmFlags:").unwrap_or_default();
    let has = |map: &Map, flag: &str| flags(map).split(' ').any(|it| it == flag);
    t.check("that is told", has(&of_file, "dc"));
    t.works("wiped again", advise(&map, MADV_WIPEONFORK));
    t.check("is told too", has(&map, "wf"));
    t.works("not dumped", advise(&map, MADV_DONTDUMP));
    t.check("dd", has(&map, "dd"));
    t.works("dumped", advise(&map, MADV_DODUMP));
    t.check("none", !has(&map, "dd"));
    Ok(())
}
