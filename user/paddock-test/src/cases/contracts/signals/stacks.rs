//! sigaltstack(2): what is told of a stack, on it and off it.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

static FLAGS: AtomicI32 = AtomicI32::new(-1);
static CHANGED: AtomicI32 = AtomicI32::new(0);
static HERE: AtomicUsize = AtomicUsize::new(0);

fn asked() -> Result<stack_t, Errno> {
    // SAFETY: plain numbers.
    let mut found: stack_t = unsafe { std::mem::zeroed() };
    call!(sigaltstack(null(), &raw mut found))?;
    Ok(found)
}

extern "C" fn look(_: i32) {
    let local = 0u8;
    HERE.store((&raw const local).addr(), Ordering::SeqCst);
    FLAGS.store(asked().map_or(-1, |it| it.ss_flags), Ordering::SeqCst);
    let none = stack_t {
        ss_sp: null_mut(),
        ss_flags: SS_DISABLE,
        ss_size: 0,
    };
    let changed = call!(sigaltstack(&raw const none, null_mut()));
    CHANGED.store(
        changed.map_or_else(|error| error.0, |_| 0),
        Ordering::SeqCst,
    );
}

pub fn run(t: &mut Report) -> Outcome {
    const AUTODISARM: i32 = i32::MIN;
    const SIZE: usize = 65_536;
    let map = Map::memory(SIZE)?;
    let base = map.address(0).cast_mut();
    let set = |flags: i32| {
        let stack = stack_t {
            ss_sp: base,
            ss_flags: flags,
            ss_size: SIZE,
        };
        call!(sigaltstack(&raw const stack, null_mut()))
    };
    t.works("set", set(0));
    let found = asked()?;
    t.same(
        "told",
        (found.ss_sp, found.ss_flags, found.ss_size),
        (base, 0, SIZE),
    );
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = look as extern "C" fn(i32) as usize;
    action.sa_flags = SA_ONSTACK;
    call!(sigaction(SIGUSR1, &raw const action, null_mut()))?;
    call!(raise(SIGUSR1))?;
    let within = || (base.addr()..base.addr() + SIZE).contains(&HERE.load(Ordering::SeqCst));
    t.check("a handler is there", within());
    t.same("which is told", FLAGS.load(Ordering::SeqCst), SS_ONSTACK);
    t.same("and not changed", CHANGED.load(Ordering::SeqCst), EPERM);
    t.same("off it again", asked()?.ss_flags, 0);
    t.works("disarmed by itself", set(AUTODISARM));
    call!(raise(SIGUSR1))?;
    t.check("a handler is there too", within());
    t.same(
        "where there is none",
        FLAGS.load(Ordering::SeqCst),
        SS_DISABLE,
    );
    t.same("and may be changed", CHANGED.load(Ordering::SeqCst), 0);
    t.same("it is back", asked()?.ss_flags, AUTODISARM);
    action.sa_flags = 0;
    call!(sigaction(SIGUSR1, &raw const action, null_mut()))?;
    call!(raise(SIGUSR1))?;
    t.check("one that did not ask is not", !within());
    t.refused("told nowhere", raw!(SYS_sigaltstack, 0, 8), EFAULT);
    t.refused("set from nowhere", raw!(SYS_sigaltstack, 8, 0), EFAULT);
    t.same(
        "a child has it",
        sys::in_child(|| i32::from(asked().is_err()))?,
        End::Exited(0),
    );
    Ok(())
}
