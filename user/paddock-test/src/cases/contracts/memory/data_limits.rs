//! setrlimit(2), RLIMIT_DATA: brk(2), mmap(2) and mprotect(2).
use crate::cases::contracts::prelude::*;

fn end_at(at: usize) -> usize {
    raw!(SYS_brk, at).unwrap_or(-1) as usize
}

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        const MUCH: usize = 64 << 20;
        let quiet = Map::new(MUCH, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1)?;
        let limit = rlimit {
            rlim_cur: 32 << 20,
            rlim_max: 32 << 20,
        };
        yes!(t; "a limit": setrlimit(RLIMIT_DATA, &raw const limit););
        let end = end_at(0);
        t.same("the heap stays", end_at(end + MUCH), end);
        t.same("or grows a little", end_at(end + PAGE), end + PAGE);
        let both = PROT_READ | PROT_WRITE;
        t.refused("to be written", quiet.protect(0, MUCH, both), ENOMEM);
        t.works("a part", quiet.protect(0, PAGE, both));
        let much = Map::new(MUCH, both, MAP_PRIVATE | MAP_ANONYMOUS, -1).map(drop);
        t.refused("mapped", much, ENOMEM);
        let shared = Map::new(MUCH, both, MAP_SHARED | MAP_ANONYMOUS, -1).map(drop);
        t.works("shared memory is none", shared);
        Ok(())
    })
}
