//! mmap(2): a mapping at a file's end and beyond, private and shared.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'f'; 5000])?;
    let fd = opened("f", O_RDWR)?;
    let rights = PROT_READ | PROT_WRITE;
    let shared = Map::new(4 * PAGE, rights, MAP_SHARED, fd)?;
    let private = Map::new(2 * PAGE, rights, MAP_PRIVATE, fd)?;
    t.same("the last byte", shared.read(4999), b'f');
    t.same("zeros behind it", shared.read(5000), 0);
    t.same(
        "nothing behind its page",
        touching(&shared, 2 * PAGE, false),
        Ok(End::Killed(SIGBUS)),
    );
    t.same(
        "to be written neither",
        touching(&shared, 3 * PAGE, true),
        Ok(End::Killed(SIGBUS)),
    );
    shared.write(5000, b'z');
    t.same("what is written there", text("f").len(), 5000);
    shared.write(10, b's');
    t.same(
        "a write is the file's",
        text("f").as_bytes().get(10).copied(),
        Some(b's'),
    );
    t.same("and the other's", private.read(10), b's');
    private.write(20, b'p');
    t.same("a private one is not", shared.read(20), b'f');
    sys::write_all(fd, b"abc")?;
    t.same("the file's write is there", shared.read(2), b'c');
    yes!(t; "longer": ftruncate(fd, 3 * PAGE as i64););
    t.same("there now", shared.read(2 * PAGE), 0);
    yes!(t; "shorter": ftruncate(fd, 100););
    t.same(
        "no more",
        touching(&shared, PAGE, false),
        Ok(End::Killed(SIGBUS)),
    );
    t.same(
        "what was private goes too",
        touching(&private, PAGE, false),
        Ok(End::Killed(SIGBUS)),
    );
    t.same("zeros behind the cut", shared.read(101), 0);
    yes!(t; "closed": close(fd); "and removed": unlink(c"f".as_ptr()););
    t.same("still there", shared.read(10), b's');
    let maps = text("/proc/self/maps");
    let from = format!("{:08x}-", shared.start.addr());
    let line = maps
        .lines()
        .find(|line| line.starts_with(&from))
        .unwrap_or_default();
    t.check("listed as deleted", line.ends_with("/f (deleted)"));
    t.check("as shared", line.contains(" rw-s 00000000 "));
    no!(t; "none of an empty length": mmap(null_mut(), 0, PROT_READ, MAP_SHARED, -1, 0) => EBADF;);
    Ok(())
}
