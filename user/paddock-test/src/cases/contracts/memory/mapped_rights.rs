//! mmap(2) and mprotect(2): a page without a right, and what its signal says.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::AtomicUsize;

static CODE: AtomicI32 = AtomicI32::new(0);
static PLACE: AtomicUsize = AtomicUsize::new(0);
static MENDED: AtomicUsize = AtomicUsize::new(0);

/// Notes a fault and gives the page all rights, or a page.
extern "C" fn mend(_: i32, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel's, for the time of the call.
    let (code, at) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    CODE.store(code, Relaxed);
    PLACE.store(at, Relaxed);
    let page = MENDED.load(Relaxed);
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    let _ = raw!(
        SYS_mmap,
        page,
        PAGE,
        PROT_READ | PROT_WRITE,
        flags,
        -1,
        0usize
    );
}

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = mend as extern "C" fn(i32, *mut siginfo_t, *mut c_void) as usize;
    action.sa_flags = SA_SIGINFO;
    yes!(t; "a handler": sigaction(SIGSEGV, &raw const action, null_mut()););
    let map = Map::memory(4 * PAGE)?;
    let mut fault = |what: &str, page: usize, code: i32, touch: &dyn Fn(usize)| {
        MENDED.store(map.start.addr() + page * PAGE, Relaxed);
        CODE.store(-1, Relaxed);
        touch(page * PAGE + 7);
        let place = PLACE.load(Relaxed);
        let found = (CODE.load(Relaxed), place - map.start.addr());
        t.same(what, found, (code, page * PAGE + 7));
    };
    let (mapped, rights) = (1, 2);
    map.protect(0, PAGE, PROT_NONE)?;
    fault("no right to read", 0, rights, &|at| {
        assert_ne!(map.read(at), 255)
    });
    map.protect(PAGE, PAGE, PROT_READ)?;
    fault("no right to write", 1, rights, &|at| map.write(at, 1));
    raw!(SYS_munmap, map.start.addr() + 2 * PAGE, PAGE)?;
    fault("nothing there", 2, mapped, &|at| {
        assert_ne!(map.read(at), 255)
    });
    raw!(SYS_munmap, map.start.addr() + 3 * PAGE, PAGE)?;
    fault("to write neither", 3, mapped, &|at| map.write(at, 1));
    t.same("a write goes on", map.read(3 * PAGE + 7), 1);
    let lines = || {
        let text = text("/proc/self/maps");
        let (from, to) = (map.start.addr(), map.start.addr() + map.length);
        let starts = text
            .lines()
            .filter_map(|line| usize::from_str_radix(line.split('-').next()?, 16).ok());
        starts.filter(|start| (from..to).contains(start)).count()
    };
    map.protect(0, 4 * PAGE, PROT_READ)?;
    let before = lines();
    map.protect(PAGE, PAGE, PROT_READ | PROT_WRITE)?;
    t.same("another right is another line", lines() > before, true);
    map.protect(PAGE, PAGE, PROT_READ)?;
    t.same("the same is the same", lines(), before);
    raw!(SYS_munmap, map.start.addr() + 3 * PAGE, PAGE)?;
    t.refused("beyond the end", map.protect(0, 1 << 46, PROT_READ), ENOMEM);
    Ok(())
}
