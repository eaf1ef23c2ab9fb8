//! What assembly calls: the boot code and the exception vectors. The top of
//! the kernel: nothing in it calls these.

use crate::arch::boot::BootInfo;
use crate::arch::trap::{EC_DATA_KERNEL, TrapFrame};
use crate::arch::{cpu, user_access};
use crate::{console, interrupted, interrupts, panic, process, schedule_fuzz, smp, thread};
use paddock_sync::platform;

/// The boot code's call: MMU on with the early tables, interrupts masked.
#[unsafe(no_mangle)]
extern "C" fn kernel_entry(fdt: u64, image: u64) -> ! {
    cpu::install_vectors();
    // SAFETY: this is that thread, which is static.
    unsafe { thread::set_current(thread::idle_thread(0)) };
    cpu::note_features();
    crate::kernel_main(BootInfo::new(fdt, image))
}

/// Another CPU's first call: on its own stack, interrupts masked.
#[unsafe(no_mangle)]
extern "C" fn secondary_entry(index: usize) -> ! {
    cpu::install_vectors();
    // SAFETY: this is that thread, which is static.
    unsafe { thread::set_current(thread::idle_thread(index)) };
    cpu::note_features();
    smp::enter(index)
}

#[unsafe(no_mangle)]
extern "C" fn trap_user_fault(frame: &mut TrapFrame) {
    cpu::irq_enable();
    process::handle_fault(frame);
    process::finish(frame);
}

#[unsafe(no_mangle)]
extern "C" fn trap_finish_user(frame: &mut TrapFrame) {
    process::finish(frame);
}

#[unsafe(no_mangle)]
extern "C" fn trap_user_irq(frame: &mut TrapFrame) {
    take_interrupt(frame);
    cpu::irq_enable();
    process::finish(frame);
}

#[unsafe(no_mangle)]
extern "C" fn trap_kernel_sync(frame: &mut TrapFrame) {
    if frame.class() == EC_DATA_KERNEL && repair_user_access(frame) {
        return;
    }
    panic::kernel_fault(frame, "synchronous exception in the kernel")
}

/// A fault of the user copy routines: brings the page in, or continues at
/// the routine's fixup. False if the fault is the kernel's own.
fn repair_user_access(frame: &mut TrapFrame) -> bool {
    let Some(fixup) = user_access::fixup_for(frame.pc as usize) else {
        return false;
    };
    let abort = frame.abort();
    if abort.address >= user_access::USER_END {
        return false;
    }
    if !fixup.may_repair() {
        frame.pc = fixup.to as u64;
        return true;
    }
    cpu::irq_enable();
    let repaired = process::handle_kernel_access(&abort);
    cpu::irq_disable();
    if !repaired {
        frame.pc = fixup.to as u64;
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn trap_kernel_irq(frame: &mut TrapFrame) {
    take_interrupt(frame);
    let context = platform::context();
    if context.preemptible() && (context.need_resched() || schedule_fuzz::switch_now()) {
        thread::preempt();
    }
}

/// The scheduler's timer comes this way where the controller can have it so:
/// as an interrupt like the others, unless they are masked.
#[unsafe(no_mangle)]
extern "C" fn trap_kernel_fiq(frame: &mut TrapFrame) {
    if !frame.masks_interrupts() {
        return trap_kernel_irq(frame);
    }
    let context = platform::context();
    context.enter_interrupt();
    thread::timer_came_masked(frame);
    context.leave_interrupt();
}

fn take_interrupt(frame: &TrapFrame) {
    let context = platform::context();
    context.enter_interrupt();
    interrupted::begins(frame);
    interrupts::dispatch();
    console::announce();
    interrupted::ends();
    context.leave_interrupt();
}

#[unsafe(no_mangle)]
extern "C" fn trap_serror(frame: &mut TrapFrame) {
    panic::kernel_fault(frame, "SError")
}

#[unsafe(no_mangle)]
extern "C" fn trap_stack_overflow(frame: &mut TrapFrame, sp: u64) -> ! {
    frame.sp = sp;
    panic::kernel_fault(frame, "kernel stack overflow")
}

#[unsafe(no_mangle)]
extern "C" fn trap_bad_exception(kind: u64, esr: u64, elr: u64, far: u64) -> ! {
    panic!("unexpected exception vector {kind}: esr {esr:#x} elr {elr:#x} far {far:#x}")
}
