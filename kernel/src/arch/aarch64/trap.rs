//! What the vectors call: system calls, faults and interrupts.

use crate::arch::{cpu, user_access};
use crate::{interrupts, panic, schedule_fuzz, thread, user, watchdog};
use paddock_sync::platform;

/// The registers of interrupted code, as `vectors.s` saves them.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct TrapFrame {
    /// x0 to x30.
    pub x: [u64; 31],
    /// The user's stack pointer.
    pub sp: u64,
    /// Where to continue.
    pub pc: u64,
    /// PSTATE to continue with.
    pub pstate: u64,
    /// Exception syndrome, read in the vector.
    pub esr: u64,
    /// Fault address, read in the vector.
    pub far: u64,
}

const _: () = assert!(size_of::<TrapFrame>() == 288);

impl TrapFrame {
    /// A frame that starts a user program at EL0.
    pub fn new_user(pc: u64, sp: u64) -> Self {
        TrapFrame {
            x: [0; 31],
            sp,
            pc,
            pstate: 0,
            esr: 0,
            far: 0,
        }
    }

    /// Whether a program was interrupted: PSTATE.M is EL0.
    pub fn is_user(&self) -> bool {
        self.pstate & 0xf == 0
    }

    /// Whether interrupts were masked there: PSTATE.I.
    pub fn masks_interrupts(&self) -> bool {
        self.pstate & (1 << 7) != 0
    }

    /// Exception class, ESR_ELx.EC (Arm ARM D24.2.40).
    pub fn class(&self) -> u64 {
        (self.esr >> 26) & 0x3f
    }

    /// What a data or instruction abort was about.
    pub fn abort(&self) -> Abort {
        let status = self.esr & 0x3f;
        let access = if self.class() == EC_INSTRUCTION_USER || self.class() == EC_INSTRUCTION_KERNEL
        {
            Access::Execute
        } else if self.esr & (1 << 6) != 0 && self.esr & (1 << 8) == 0 {
            Access::Write
        } else if self.esr & (1 << 6) != 0 {
            // Cache maintenance counts as a write in the syndrome, but needs
            // only the right to read.
            Access::Read
        } else {
            Access::Read
        };
        let kind = match status & 0x3c {
            0x04 => AbortKind::Translation,
            0x08 => AbortKind::AccessFlag,
            0x0c => AbortKind::Permission,
            _ if status == 0x21 => AbortKind::Alignment,
            _ => AbortKind::External,
        };
        Abort {
            address: self.far,
            access,
            kind,
        }
    }
}

/// What kind of access faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortKind {
    /// Nothing is mapped there.
    Translation,
    /// The access flag is clear.
    AccessFlag,
    /// The mapping does not allow it.
    Permission,
    /// The address is not aligned.
    Alignment,
    /// Anything else: bus errors and the like.
    External,
}

/// A memory access that faulted.
#[derive(Clone, Copy, Debug)]
pub struct Abort {
    /// The address.
    pub address: u64,
    /// The access.
    pub access: Access,
    /// The reason.
    pub kind: AbortKind,
}

/// SVC from AArch64.
pub const EC_SVC: u64 = 0x15;
/// Instruction abort from EL0.
pub const EC_INSTRUCTION_USER: u64 = 0x20;
const EC_INSTRUCTION_KERNEL: u64 = 0x21;
/// Data abort from EL0.
pub const EC_DATA_USER: u64 = 0x24;
const EC_DATA_KERNEL: u64 = 0x25;

#[unsafe(no_mangle)]
extern "C" fn trap_user_fault(frame: &mut TrapFrame) {
    cpu::irq_enable();
    user::handle_fault(frame);
    finish_user(frame);
}

#[unsafe(no_mangle)]
extern "C" fn trap_finish_user(frame: &mut TrapFrame) {
    finish_user(frame);
}

#[unsafe(no_mangle)]
extern "C" fn trap_user_irq(frame: &mut TrapFrame) {
    take_interrupt(frame);
    cpu::irq_enable();
    finish_user(frame);
}

/// The one way back to user mode: signals and a due switch first; returns
/// with interrupts masked and nothing left to do.
pub fn finish_user(frame: &mut TrapFrame) {
    loop {
        cpu::irq_disable();
        let due = platform::context().need_resched() || schedule_fuzz::switch_now();
        if !due && !user::has_work() {
            return;
        }
        cpu::irq_enable();
        if due {
            thread::preempt();
        }
        if user::has_work() {
            user::before_return(frame);
        }
    }
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
    let repaired = user::handle_kernel_access(&abort);
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
    watchdog::interrupt_begins(frame);
    interrupts::dispatch();
    watchdog::interrupt_ends();
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
