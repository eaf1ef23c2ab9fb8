//! sigaction(2): SIGSEGV, SIGBUS and SIGTRAP tell the address and the cause.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

static CODE: AtomicI32 = AtomicI32::new(0);
static PLACE: AtomicUsize = AtomicUsize::new(0);
static BASE: AtomicUsize = AtomicUsize::new(0);

/// Notes what is told, and puts memory there that may be read and written.
extern "C" fn look(_: i32, info: *const i32, _: *const c_void) {
    // SAFETY: the kernel's siginfo is of 128 bytes.
    let (code, place) = unsafe {
        let words = info.cast::<usize>();
        (info.wrapping_add(2).read(), words.wrapping_add(2).read())
    };
    CODE.store(code, Ordering::SeqCst);
    PLACE.store(place, Ordering::SeqCst);
    let base = BASE.load(Ordering::SeqCst) as *mut c_void;
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    let _ = call!(mmap(base, 4096, PROT_READ | PROT_WRITE, flags, -1, 0));
}

fn touched(base: *const c_void, write: bool) -> (i32, usize) {
    BASE.store(base.addr(), Ordering::SeqCst);
    let byte = base.cast_mut().cast::<u8>().wrapping_add(0x123);
    // SAFETY: the handler puts memory there, which nothing else uses.
    unsafe {
        match write {
            true => byte.write_volatile(1),
            false => _ = byte.read_volatile(),
        }
    }
    let place = PLACE.load(Ordering::SeqCst);
    (CODE.load(Ordering::SeqCst), place.wrapping_sub(base.addr()))
}

pub fn run(t: &mut Report) -> Outcome {
    for signal in [SIGSEGV, SIGBUS] {
        // SAFETY: plain numbers.
        let mut action: sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = look as extern "C" fn(i32, *const i32, *const c_void) as usize;
        action.sa_flags = SA_SIGINFO;
        call!(sigaction(signal, &raw const action, null_mut()))?;
    }
    let shut = Map::new(4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1)?;
    t.same(
        "not to be read",
        touched(shut.address(0), false),
        (2, 0x123),
    );
    let reading = Map::new(4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1)?;
    t.same(
        "not to be written",
        touched(reading.address(0), true),
        (2, 0x123),
    );
    let gone = Map::memory(4096)?;
    call!(munmap(gone.address(0).cast_mut(), 4096))?;
    t.same("nothing there", touched(gone.address(0), false), (1, 0x123));
    file("f", b"")?;
    let fd = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let beyond = Map::new(4096, PROT_READ, MAP_PRIVATE, fd)?;
    t.same(
        "beyond a file's end",
        touched(beyond.address(0), false),
        (2, 0x123),
    );
    let end = sys::in_child(|| {
        let _ = ignore(SIGSEGV);
        let shut = Map::new(4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        shut.map_or(1, |map| i32::from(map.read(0)))
    })?;
    t.same("a fault is not ignored", end, End::Killed(SIGSEGV));
    let end = sys::in_child(|| {
        let _ = sys::block_signals(&[SIGSEGV]);
        let shut = Map::new(4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        shut.map_or(1, |map| i32::from(map.read(0)))
    })?;
    t.same("nor does it wait", end, End::Killed(SIGSEGV));
    Ok(())
}
