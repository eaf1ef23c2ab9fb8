//! The way back to user mode.

use super::{before_return, has_work};
use crate::arch::{cpu, trap::TrapFrame};
use crate::{schedule_fuzz, thread};
use paddock_sync::platform;

/// The one way back to user mode: signals and a due switch first; returns
/// with interrupts masked and nothing left to do.
pub fn finish(frame: &mut TrapFrame) {
    loop {
        cpu::irq_disable();
        let due = platform::context().need_resched() || schedule_fuzz::switch_now();
        if !due && !has_work() {
            return;
        }
        cpu::irq_enable();
        if due {
            thread::preempt();
        }
        if has_work() {
            before_return(frame);
        }
    }
}
