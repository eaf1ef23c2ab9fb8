//! What the present interrupt of each CPU has interrupted, noted before its
//! handler begins sections of its own.

use crate::arch::trap::TrapFrame;
use crate::cpus::{self, MAX_CPUS};
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::Relaxed};
use paddock_sync::platform;

struct Entry {
    /// The interrupted registers; null outside of interrupts.
    frame: AtomicPtr<TrapFrame>,
    /// The last section without preemption, and when (ns) it began.
    at: AtomicPtr<Location<'static>>,
    since: AtomicU64,
    /// Whether that section was not over.
    open: AtomicBool,
}

static ENTRIES: [Entry; MAX_CPUS] = [const {
    Entry {
        frame: AtomicPtr::new(ptr::null_mut()),
        at: AtomicPtr::new(ptr::null_mut()),
        since: AtomicU64::new(0),
        open: AtomicBool::new(false),
    }
}; MAX_CPUS];

fn this() -> &'static Entry {
    &ENTRIES[cpus::this_cpu()]
}

/// An interrupt has come, with this frame. Interrupt context.
#[inline]
pub fn begins(frame: &TrapFrame) {
    let entry = this();
    let context = platform::context();
    if let Some((at, since)) = context.last_section() {
        entry.at.store(ptr::from_ref(at).cast_mut(), Relaxed);
        entry.since.store(since, Relaxed);
    }
    entry.open.store(context.preempt_depth() != 0, Relaxed);
    entry.frame.store(ptr::from_ref(frame).cast_mut(), Relaxed);
}

/// Its handler is done.
#[inline]
pub fn ends() {
    this().frame.store(ptr::null_mut(), Relaxed);
}

/// What was interrupted on this CPU; `None` outside of interrupts.
pub fn frame<'a>() -> Option<&'a TrapFrame> {
    if !platform::context().in_interrupt() {
        return None;
    }
    // SAFETY: the frame lies on this CPU's stack until `ends`, and
    // the caller runs in that interrupt.
    unsafe { this().frame.load(Relaxed).as_ref() }
}

/// The last section without preemption that had begun, over or not.
pub fn last_section() -> (Option<&'static Location<'static>>, u64) {
    let entry = this();
    // SAFETY: null, or set from a `&'static Location`.
    let at = unsafe { entry.at.load(Relaxed).as_ref() };
    (at, entry.since.load(Relaxed))
}

/// The section that was interrupted, if there was one.
pub fn section() -> Option<(&'static Location<'static>, u64)> {
    let (at, since) = last_section();
    this().open.load(Relaxed).then_some((at?, since))
}
