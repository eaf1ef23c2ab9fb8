//! madvise(2): MADV_DONTNEED, MADV_REMOVE and MADV_FREE, and what is there afterwards.
use crate::cases::contracts::prelude::*;

fn advise(map: &Map, offset: usize, length: usize, advice: i32) -> Result<i32, Errno> {
    call!(madvise(map.address(offset).cast_mut(), length, advice))
}

/// Memory that is needed no longer, and what is locked.
fn freed(t: &mut Report, anon: &Map, private: &Map, memory: &Map) -> Outcome {
    t.works("free", advise(anon, 0, PAGE, MADV_FREE));
    anon.write(0, 7);
    t.same("until it is written", anon.read(0), 7);
    t.refused(
        "free of a file",
        advise(private, 0, PAGE, MADV_FREE),
        EINVAL,
    );
    t.refused(
        "free of shared memory",
        advise(memory, 0, PAGE, MADV_FREE),
        EINVAL,
    );
    yes!(t; "locked": mlock(anon.address(0), PAGE););
    t.refused(
        "what is locked is needed",
        advise(anon, 0, PAGE, MADV_DONTNEED),
        EINVAL,
    );
    t.refused("and not removed", advise(anon, 0, PAGE, MADV_FREE), EINVAL);
    t.refused(
        "a negative length",
        advise(anon, 0, usize::MAX - 100, MADV_NORMAL),
        EINVAL,
    );
    t.works("none", advise(anon, 0, 0, MADV_DONTNEED));
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'f'; 3 * PAGE])?;
    let fd = opened("f", O_RDWR)?;
    let rights = PROT_READ | PROT_WRITE;
    let anon = Map::memory(3 * PAGE)?;
    anon.write(0, 1);
    anon.write(PAGE, 2);
    t.works("a page", advise(&anon, PAGE, 1, MADV_DONTNEED));
    t.same("is zeros", (anon.read(0), anon.read(PAGE)), (1, 0));
    let private = Map::new(3 * PAGE, rights, MAP_PRIVATE, fd)?;
    private.write(0, b'x');
    t.works(
        "of a file, private",
        advise(&private, 0, PAGE, MADV_DONTNEED),
    );
    t.same("is the file's again", private.read(0), b'f');
    let shared = Map::new(3 * PAGE, rights, MAP_SHARED, fd)?;
    shared.write(0, b's');
    t.works("shared", advise(&shared, 0, PAGE, MADV_DONTNEED));
    t.same(
        "what was written is kept",
        (shared.read(0), private.read(0)),
        (b's', b's'),
    );
    t.works(
        "a hole in the file",
        advise(&shared, PAGE, PAGE, MADV_REMOVE),
    );
    t.same(
        "is zeros for all",
        (shared.read(PAGE), private.read(PAGE)),
        (0, 0),
    );
    t.same("between others", shared.read(2 * PAGE), b'f');
    t.same("and as long", stat_of(fd)?.st_size, 3 * PAGE as i64);
    t.refused(
        "of a private one",
        advise(&private, 0, PAGE, MADV_REMOVE),
        EACCES,
    );
    t.refused("of none", advise(&anon, 0, PAGE, MADV_REMOVE), EINVAL);
    let reading = Map::new(PAGE, PROT_READ, MAP_SHARED, opened("f", O_RDONLY)?)?;
    t.refused(
        "of one to read",
        advise(&reading, 0, PAGE, MADV_REMOVE),
        EACCES,
    );
    let memory = Map::new(2 * PAGE, rights, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    memory.write(0, 5);
    t.works(
        "shared memory, not needed",
        advise(&memory, 0, PAGE, MADV_DONTNEED),
    );
    t.same("is kept", memory.read(0), 5);
    t.works("removed", advise(&memory, 0, PAGE, MADV_REMOVE));
    t.same("is not", memory.read(0), 0);
    freed(t, &anon, &private, &memory)
}
