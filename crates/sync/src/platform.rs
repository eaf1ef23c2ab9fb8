//! What this crate needs of the machine, as a handful of link-time hooks.
//!
//! The kernel defines these symbols once; on a host they stand on `std`
//! threads. Link-time hooks rather than a trait object keep an uncontended
//! lock free of indirect calls.

#[cfg(target_os = "none")]
#[allow(missing_docs, reason = "thin forwarding")]
mod hooks {
    use crate::{Context, LockMeta, Violation};
    use core::task::Waker;

    unsafe extern "Rust" {
        /// The context of the code that is running now. The reference is good
        /// for as long as that thread (or boot phase) runs.
        safe fn paddock_sync_context() -> &'static Context;
        /// Masks interrupts on this CPU; returns the previous mask.
        safe fn paddock_sync_irq_save() -> usize;
        /// Restores a mask that `paddock_sync_irq_save` returned.
        safe fn paddock_sync_irq_restore(saved: usize);
        /// Whether this CPU takes interrupts now.
        safe fn paddock_sync_irqs_enabled() -> bool;
        /// Preemption has just become possible and was asked for.
        safe fn paddock_sync_reschedule();
        /// A waker that unparks the calling thread.
        safe fn paddock_sync_current_waker() -> Waker;
        /// Blocks the calling thread until it is unparked (at once if that
        /// has happened since the last park) or the monotonic clock reaches
        /// `deadline` nanoseconds.
        safe fn paddock_sync_park(deadline: u64);
        /// Another CPU has to do something before this one can go on.
        safe fn paddock_sync_relax();
        /// The monotonic clock in nanoseconds.
        safe fn paddock_sync_now() -> u64;
        /// A running count that is cheap to read.
        safe fn paddock_sync_ticks() -> u64;
        /// What the monotonic clock said, in nanoseconds, when the running
        /// count was `ticks`, some time ago at most.
        safe fn paddock_sync_ticks_to_nanos(ticks: u64) -> u64;
        /// `Context::priority` has become another one: a thread that is
        /// ready is in the wrong queue, and one that runs may have to make
        /// room. Interrupts are masked and a spin lock of rank `Chains` is
        /// held, so `context` cannot go away before this returns.
        safe fn paddock_sync_priority_changed(context: &Context);
        /// The calling thread, whose context this is, has waited for a lock
        /// for another `paddock_sync_stalled_after`. It goes on waiting. Thread
        /// context, no spin lock held.
        safe fn paddock_sync_lock_stalled(context: &Context, lock: &LockMeta);
        /// A thread that has waited for a lock for so long (ns) says so.
        safe fn paddock_sync_stalled_after() -> u64;
        /// Whether the calling thread has a signal to handle.
        safe fn paddock_sync_interrupted() -> bool;
        /// Whether a small allocation may be made, which then succeeds. Any
        /// context.
        safe fn paddock_sync_may_allocate() -> bool;
        /// Reports a broken rule; does not return in test kernels.
        safe fn paddock_sync_violation(violation: &Violation);
        /// Whether to switch at this place: `free` if nothing forbids it,
        /// `due` if somebody has asked for it. Another CPU may come first
        /// meanwhile. Any context.
        #[cfg(feature = "schedule-points")]
        safe fn paddock_sync_schedule_point(free: bool, due: bool) -> bool;
    }

    #[cfg(feature = "schedule-points")]
    pub fn schedule_point(free: bool, due: bool) -> bool {
        paddock_sync_schedule_point(free, due)
    }

    pub fn context() -> &'static Context {
        paddock_sync_context()
    }
    pub fn irq_save() -> usize {
        paddock_sync_irq_save()
    }
    pub fn irq_restore(saved: usize) {
        paddock_sync_irq_restore(saved);
    }
    pub fn irqs_enabled() -> bool {
        paddock_sync_irqs_enabled()
    }
    pub fn reschedule() {
        paddock_sync_reschedule();
    }
    pub fn current_waker() -> Waker {
        paddock_sync_current_waker()
    }
    pub fn park(deadline: u64) {
        paddock_sync_park(deadline);
    }
    pub fn relax() {
        paddock_sync_relax();
    }
    pub fn now() -> u64 {
        paddock_sync_now()
    }
    pub fn ticks() -> u64 {
        paddock_sync_ticks()
    }
    pub fn ticks_to_nanos(ticks: u64) -> u64 {
        paddock_sync_ticks_to_nanos(ticks)
    }
    pub fn priority_changed(context: &Context) {
        paddock_sync_priority_changed(context);
    }
    pub fn lock_stalled(context: &Context, lock: &LockMeta) {
        paddock_sync_lock_stalled(context, lock);
    }
    pub fn stalled_after() -> u64 {
        paddock_sync_stalled_after()
    }
    pub fn interrupted() -> bool {
        paddock_sync_interrupted()
    }
    pub fn may_allocate() -> bool {
        paddock_sync_may_allocate()
    }
    pub fn violation(violation: &Violation) {
        paddock_sync_violation(violation);
    }
}

#[cfg(not(target_os = "none"))]
use crate::host as hooks;

#[cfg(all(target_os = "none", feature = "schedule-points"))]
pub use hooks::schedule_point;
pub use hooks::{
    context, current_waker, interrupted, irq_restore, irq_save, irqs_enabled, lock_stalled,
    may_allocate, now, park, priority_changed, relax, reschedule, stalled_after, ticks,
    ticks_to_nanos, violation,
};
