//! brk(2): where the heap ends.
use crate::cases::contracts::prelude::*;

/// Asks for an end; the one that there is then.
fn end_at(at: usize) -> usize {
    raw!(SYS_brk, at).unwrap_or(-1) as usize
}

fn byte(at: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(at)
}

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        let begun = end_at(0).next_multiple_of(PAGE);
        t.same("to the page's end", end_at(begun), begun);
        t.same("none is asked for", end_at(0), begun);
        t.same("further", end_at(begun + 2 * PAGE), begun + 2 * PAGE);
        // SAFETY: the page has been added.
        t.same("zeros", unsafe { byte(begun + PAGE).read_volatile() }, 0);
        // SAFETY: likewise.
        unsafe { byte(begun + PAGE).write_volatile(9) };
        t.same("back", end_at(begun + PAGE), begun + PAGE);
        t.same("and further", end_at(begun + 2 * PAGE), begun + 2 * PAGE);
        // SAFETY: likewise.
        t.same(
            "zeros again",
            unsafe { byte(begun + PAGE).read_volatile() },
            0,
        );
        t.same("between two pages", end_at(begun + 100), begun + 100);
        t.same("before the beginning", end_at(1), begun + 100);
        t.same("all there is", end_at(usize::MAX / 2), begun + 100);
        let there = raw!(
            SYS_mmap,
            begun + 4 * PAGE,
            PAGE,
            PROT_READ,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
            -1,
            0usize
        );
        t.same("a mapping", there, Ok((begun + 4 * PAGE) as i64));
        t.same("is in the way", end_at(begun + 6 * PAGE), begun + 100);
        t.same("up to it", end_at(begun + PAGE), begun + PAGE);
        raw!(SYS_munmap, begun + 4 * PAGE, PAGE)?;
        let line = text("/proc/self/maps");
        t.check(
            "is named",
            line.lines().any(|line| line.ends_with("[heap]")),
        );
        let limit = rlimit {
            rlim_cur: 0,
            rlim_max: RLIM_INFINITY,
        };
        yes!(t; "no data": setrlimit(RLIMIT_DATA, &raw const limit););
        t.same("no further", end_at(begun + 8 * PAGE), begun + PAGE);
        Ok(())
    })
}
