//! Embassy's critical section: interrupts off here, and one CPU at a time.

use crate::arch::cpu;
use core::panic::Location;
use core::sync::atomic::{AtomicU64, Ordering};
use critical_section::RawRestoreState;
use paddock_sync::platform;

/// Which CPU is inside (its affinity plus one), or 0.
static OWNER: AtomicU64 = AtomicU64::new(0);

/// In the restore state: the section was entered again by the same CPU.
const NESTED: usize = 1 << 63;

struct KernelSection;
critical_section::set_impl!(KernelSection);

// SAFETY: interrupts are masked and other CPUs wait for `OWNER`, from
// `acquire` to the `release` that matches it.
unsafe impl critical_section::Impl for KernelSection {
    unsafe fn acquire() -> RawRestoreState {
        let saved = cpu::irq_save();
        let me = cpu::affinity() + 1;
        if OWNER.load(Ordering::Relaxed) == me {
            return saved | NESTED;
        }
        platform::context().begin_section(Location::caller());
        while OWNER
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            crate::arch::cpu::relax();
        }
        saved
    }

    unsafe fn release(state: RawRestoreState) {
        if state & NESTED != 0 {
            return;
        }
        OWNER.store(0, Ordering::Release);
        let due = platform::context().end_section();
        cpu::irq_restore(state);
        if due && cpu::irqs_enabled() {
            platform::reschedule();
        }
    }
}
