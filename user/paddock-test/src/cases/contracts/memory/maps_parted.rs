//! munmap(2), mmap(2) with MAP_FIXED: what is left of a mapping, and how it is listed.
use crate::cases::contracts::prelude::*;

/// The lines of /proc/self/maps in these bytes: pages from the beginning, rights, offset.
fn lines(from: usize, length: usize) -> Vec<(usize, usize, String, usize)> {
    let text = text("/proc/self/maps");
    let hex = |word: &str| usize::from_str_radix(word, 16).unwrap_or(0);
    let parsed = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let (rights, offset) = (words.next()?.to_owned(), words.next()?);
        Some((hex(start), hex(end), rights, hex(offset)))
    });
    parsed
        .filter(|line| line.0 >= from && line.1 <= from + length)
        .map(|line| {
            (
                (line.0 - from) / PAGE,
                (line.1 - from) / PAGE,
                line.2,
                line.3 / PAGE,
            )
        })
        .collect()
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'f'; 8 * PAGE])?;
    let fd = opened("f", O_RDONLY)?;
    // Room on both sides, so that nothing else is joined with it.
    let room = Map::new(12 * PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1)?;
    let at = room.start.addr() + 2 * PAGE;
    let fixed = MAP_PRIVATE | MAP_FIXED;
    raw!(SYS_mmap, at, 8 * PAGE, PROT_READ, fixed, fd, 0usize)?;
    let mut is = |what: &str, expected: &[(usize, usize, &str, usize)]| {
        let expected: Vec<_> = expected
            .iter()
            .map(|it| (it.0, it.1, it.2.to_owned(), it.3))
            .collect();
        t.same(what, lines(at, 8 * PAGE), expected);
    };
    is("one", &[(0, 8, "r--p", 0)]);
    raw!(SYS_munmap, at + 3 * PAGE, PAGE)?;
    is("without a page", &[(0, 3, "r--p", 0), (4, 8, "r--p", 4)]);
    raw!(SYS_munmap, at + 3 * PAGE, PAGE)?;
    is("a hole twice", &[(0, 3, "r--p", 0), (4, 8, "r--p", 4)]);
    raw!(SYS_munmap, at + 2 * PAGE, 3 * PAGE)?;
    is("over both", &[(0, 2, "r--p", 0), (5, 8, "r--p", 5)]);
    raw!(SYS_mmap, at + 6 * PAGE, PAGE, PROT_READ, fixed, fd, 0usize)?;
    is(
        "with another page",
        &[
            (0, 2, "r--p", 0),
            (5, 6, "r--p", 5),
            (6, 7, "r--p", 0),
            (7, 8, "r--p", 7),
        ],
    );
    raw!(SYS_mprotect, at, PAGE, PROT_READ | PROT_WRITE)?;
    raw!(SYS_munmap, at + 5 * PAGE, 3 * PAGE)?;
    is("another right", &[(0, 1, "rw-p", 0), (1, 2, "r--p", 1)]);
    raw!(
        SYS_mmap,
        at,
        8 * PAGE,
        PROT_READ | PROT_EXEC,
        MAP_SHARED | MAP_FIXED,
        fd,
        0usize
    )?;
    is("all at once", &[(0, 8, "r-xs", 0)]);
    raw!(SYS_munmap, at, 8 * PAGE)?;
    is("none", &[]);
    Ok(())
}
