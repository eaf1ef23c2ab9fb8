//! mprotect(2): what a page may become, by how its file is open, and what runs.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'f'; 2 * PAGE])?;
    let (reading, both) = (opened("f", O_RDONLY)?, opened("f", O_RDWR)?);
    let rights = PROT_READ | PROT_WRITE;
    let shared = Map::new(PAGE, PROT_READ, MAP_SHARED, reading)?;
    t.refused(
        "shared, open to read",
        shared.protect(0, PAGE, rights),
        EACCES,
    );
    let private = Map::new(PAGE, PROT_READ, MAP_PRIVATE, reading)?;
    t.works("private", private.protect(0, PAGE, rights));
    private.write(0, b'p');
    t.same(
        "the file is as it was",
        text("f").as_bytes().first().copied(),
        Some(b'f'),
    );
    let writable = Map::new(2 * PAGE, PROT_READ, MAP_SHARED, both)?;
    t.works("shared, open to both", writable.protect(0, PAGE, rights));
    writable.write(0, b'w');
    t.same(
        "the file's",
        text("f").as_bytes().first().copied(),
        Some(b'w'),
    );
    t.same(
        "only that page",
        touching(&writable, PAGE, true),
        Ok(End::Killed(SIGSEGV)),
    );
    sys::close(both)?;
    t.works("closed meanwhile", writable.protect(PAGE, PAGE, rights));
    writable.write(PAGE, b'x');
    t.works("no right at all", writable.protect(0, PAGE, PROT_NONE));
    t.same(
        "not read",
        touching(&writable, 0, false),
        Ok(End::Killed(SIGSEGV)),
    );
    let mut byte = 0u8;
    no!(t; "nor by a call": write(opened("f", O_WRONLY)?, writable.address(0), 1) => EFAULT;
        "nor filled by one": read(reading, writable.address(0).cast_mut(), 1) => EFAULT;);
    t.works("read again", writable.protect(0, PAGE, PROT_READ));
    t.same("with what it had", writable.read(0), b'w');
    t.works(
        "a call reads it",
        sys::read(reading, std::slice::from_mut(&mut byte)),
    );
    let map = Map::memory(3 * PAGE)?;
    map.write(PAGE, 5);
    t.works("the middle", map.protect(PAGE, PAGE, PROT_READ));
    t.same(
        "its neighbours",
        (touching(&map, 0, true), touching(&map, 2 * PAGE, true)),
        (Ok(End::Exited(0)), Ok(End::Exited(0))),
    );
    t.same(
        "not itself",
        touching(&map, PAGE, true),
        Ok(End::Killed(SIGSEGV)),
    );
    t.works("a part of a page is the page", map.protect(PAGE, 1, rights));
    t.same(
        "to its end",
        touching(&map, 2 * PAGE - 1, true),
        Ok(End::Exited(0)),
    );
    Ok(())
}
