//! getrlimit(2): RLIMIT_CPU's signals, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_SIGPENDING.
use crate::cases::contracts::prelude::*;

// The C libraries differ in their types.
const CORE: u32 = 4;
const CPU: u32 = 0;
const NPROC: u32 = 6;
const SIGPENDING: u32 = 11;

fn limit(what: u32, soft: u64, hard: u64) -> Result<i64, Errno> {
    let wanted = [soft, hard];
    raw!(SYS_prlimit64, 0, what, wanted.as_ptr(), 0)
}

pub fn run(t: &mut Report) -> Outcome {
    let how = sys::in_child(|| {
        let _ = limit(CPU, 0, 60);
        loop {
            std::hint::spin_loop();
        }
    })?;
    t.same("no CPU time", how, End::Killed(SIGXCPU));
    let how = sys::in_child(|| {
        let _ = ignore(SIGXCPU);
        let _ = limit(CPU, 0, 0);
        loop {
            std::hint::spin_loop();
        }
    })?;
    t.same("nor as the last of it", how, End::Killed(SIGKILL));
    apart(t, |t| {
        sys::block_signals(&[SIGRTMIN(), SIGUSR1])?;
        let mut sent = [0i32; 32];
        sent[2] = -1;
        let own = sys::tid();
        t.works("few signals wait", limit(SIGPENDING, 0, 0));
        become_nobody()?;
        let queued = raw!(SYS_rt_sigqueueinfo, own, SIGRTMIN(), sent.as_ptr());
        t.refused("none is queued", queued, EAGAIN);
        t.works("kill does all the same", sys::kill(own, SIGUSR1));
        Ok(())
    })?;
    apart(t, |t| {
        t.works("few processes", limit(NPROC, 1, 1));
        raw!(SYS_setresuid, 0x00ab_cde0, 0x00ab_cde0, 0x00ab_cde0)?;
        t.refused("no other", sys::fork(|| 0), EAGAIN);
        Ok(())
    })?;
    apart(t, |t| {
        t.works("no core", limit(CORE, 0, 10));
        let mut found = [9u64; 2];
        let asked = raw!(SYS_prlimit64, 0, RLIMIT_CORE, 0, found.as_mut_ptr());
        t.works("asked", asked);
        t.same("as told", found, [0, 10]);
        let lines = text("/proc/self/limits");
        let line = lines
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        t.same("in /proc", words.get(4..6), Some(["0", "10"].as_slice()));
        Ok(())
    })?;
    let child = sleeper()?;
    let some = [7u64, 9];
    let set = raw!(SYS_prlimit64, child, RLIMIT_CORE, some.as_ptr(), 0);
    t.works("another's", set);
    as_nobody(t, |t| {
        let mut found = [0u64; 2];
        let asked = raw!(SYS_prlimit64, child, RLIMIT_CORE, 0, found.as_mut_ptr());
        t.refused("another user's", asked, EPERM);
        Ok(())
    })?;
    end(child)?;
    Ok(())
}
