//! setrlimit(2): RLIMIT_AS and RLIMIT_DATA refuse memory (ENOMEM).
use crate::cases::contracts::prelude::*;

// The C libraries differ in their types.
const ADDRESSES: u32 = 9;
const DATA: u32 = 2;
const MEMLOCK: u32 = 8;

fn limit(what: u32, soft: u64) -> Result<i64, Errno> {
    let wanted = [soft, soft];
    raw!(SYS_prlimit64, 0, what, wanted.as_ptr(), 0)
}

pub fn run(t: &mut Report) -> Outcome {
    const LARGE: usize = 64 << 20;
    let kib = |name: &str| {
        let word = field("/proc/self/status", name);
        word.trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
    };
    apart(t, |t| {
        t.works("before", Map::memory(LARGE).map(|_| ()));
        limit(ADDRESSES, kib("VmSize") + (16 << 20))?;
        t.refused("more addresses", Map::memory(LARGE).map(|_| ()), ENOMEM);
        t.works("a few", Map::memory(1 << 20).map(|_| ()));
        let shut = Map::new(LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        t.refused("even without rights", shut.map(|_| ()), ENOMEM);
        Ok(())
    })?;
    apart(t, |t| {
        limit(DATA, kib("VmData") + (16 << 20))?;
        t.refused("more data", Map::memory(LARGE).map(|_| ()), ENOMEM);
        let shared = MAP_SHARED | MAP_ANONYMOUS;
        let shared = Map::new(LARGE, PROT_READ | PROT_WRITE, shared, -1);
        t.works("what is shared is none", shared.map(|_| ()));
        let heap = raw!(SYS_brk, 0)?;
        let more = raw!(SYS_brk, heap as usize + LARGE)?;
        t.same("nor by the heap", more, heap);
        Ok(())
    })?;
    apart(t, |t| {
        limit(MEMLOCK, 8192)?;
        let map = Map::memory(16_384)?;
        t.works("root locks", call!(mlock(map.address(0), 16_384)));
        call!(munlock(map.address(0), 16_384))?;
        become_nobody()?;
        t.refused(
            "others up to the limit",
            call!(mlock(map.address(0), 16_384)),
            ENOMEM,
        );
        t.works("so much", call!(mlock(map.address(0), 8192)));
        t.same(
            "in /proc",
            field("/proc/self/status", "VmLck"),
            "8 kB".into(),
        );
        Ok(())
    })
}
