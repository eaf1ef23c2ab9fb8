//! The hooks of `paddock_sync::platform`, on real threads: all but those of the
//! watchdog, of processes and of the fuzzing of schedules.

use super::waker::waker_of;
use super::{current, current_arc, scheduler};
use crate::arch::{cpu, timers};
use crate::violations;
use core::task::Waker;
use paddock_sync::{Context, Violation};

#[unsafe(no_mangle)]
fn paddock_sync_context() -> &'static Context {
    &current().context
}

#[unsafe(no_mangle)]
fn paddock_sync_irq_save() -> usize {
    cpu::irq_save()
}

#[unsafe(no_mangle)]
fn paddock_sync_irq_restore(saved: usize) {
    cpu::irq_restore(saved);
}

#[unsafe(no_mangle)]
fn paddock_sync_irqs_enabled() -> bool {
    cpu::irqs_enabled()
}

#[unsafe(no_mangle)]
fn paddock_sync_reschedule() {
    scheduler::preempt();
}

#[unsafe(no_mangle)]
fn paddock_sync_current_waker() -> Waker {
    waker_of(current_arc())
}

#[unsafe(no_mangle)]
fn paddock_sync_park(deadline: u64) {
    scheduler::park(deadline);
}

#[unsafe(no_mangle)]
fn paddock_sync_relax() {
    cpu::relax();
}

#[unsafe(no_mangle)]
fn paddock_sync_now() -> u64 {
    timers::now()
}

#[unsafe(no_mangle)]
fn paddock_sync_ticks() -> u64 {
    timers::count()
}

#[unsafe(no_mangle)]
fn paddock_sync_ticks_to_nanos(ticks: u64) -> u64 {
    timers::at(ticks)
}

#[unsafe(no_mangle)]
fn paddock_sync_priority_changed(context: &Context) {
    scheduler::priority_changed(context);
}

#[unsafe(no_mangle)]
fn paddock_sync_may_allocate() -> bool {
    crate::memory::frames::may_allocate()
}

#[unsafe(no_mangle)]
fn paddock_sync_violation(violation: &Violation) {
    violations::report(violation);
}
