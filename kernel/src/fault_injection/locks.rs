//! Mistakes with locks, and with waiting where nobody may wait.

use super::in_a_task;
use super::timers::set_alarm;
use crate::process::vfs::namespace;
use crate::{net, thread, time};
use paddock_sync::{Mutex, PreemptOff, Rank, SpinLock, WaitQueue};
use paddock_vfs::{OpenFlags, PathContext};

static OUTER: Mutex<()> = Mutex::new(Rank::FdTable, ());
static INNER: Mutex<()> = Mutex::new(Rank::Filesystem, ());
static SPINNING: SpinLock<(), PreemptOff> = SpinLock::new(Rank::Leaf, ());

pub fn sleep_under_spin_lock() {
    let _spinning = SPINNING.lock();
    drop(INNER.lock());
}

pub fn wait_in_network_section() {
    let Some(stack) = net::loopback() else {
        return;
    };
    stack.section(|_| {
        let nobody = WaitQueue::new();
        let _ = nobody.wait_deadline(time::now() + 1_000_000, || None::<()>);
    });
}

pub fn file_call_in_task() {
    in_a_task(|| {
        let context = PathContext::root_at(namespace().root());
        let _ = namespace().open(&context, b"/dev/null", OpenFlags::empty(), 0);
    });
}

/// Two threads, one after the other: they never wait for each other.
pub fn opposite_orders() {
    in_a_thread(|| {
        let _outer = OUTER.lock();
        let _inner = INNER.lock();
    });
    in_a_thread(|| {
        let _inner = INNER.lock();
        let _outer = OUTER.lock();
    });
}

fn in_a_thread(body: fn()) {
    static DONE: WaitQueue = WaitQueue::new();
    static ENDED: SpinLock<bool> = SpinLock::new(Rank::Leaf, false);
    let spawned = thread::spawn("in-turn", move || {
        body();
        *ENDED.lock() = true;
        DONE.wake_one();
    });
    if spawned.is_ok() {
        DONE.wait_until(|| core::mem::take(&mut *ENDED.lock()).then_some(()));
    }
}

pub fn recursive() {
    let _once = INNER.lock();
    let _twice = INNER.lock();
}

pub fn wrong_lock_in_interrupt() {
    set_alarm(1, || drop(SPINNING.lock()));
}

pub fn sleep_in_interrupt() {
    set_alarm(1, || drop(INNER.lock()));
}
