//! Exceptions from user mode but system calls: faults, and what programs
//! should not have done.

use super::{faults, signals, trace};
use crate::arch::trap::{EC_DATA_USER, EC_INSTRUCTION_USER, TrapFrame};
use paddock_abi::signal::*;

/// Exception classes (Arm ARM D24.2.40).
const EC_UNKNOWN: u64 = 0x00;
const EC_ILLEGAL_STATE: u64 = 0x0e;
const EC_TRAPPED_REGISTER: u64 = 0x18;
const EC_PC_ALIGNMENT: u64 = 0x22;
const EC_SP_ALIGNMENT: u64 = 0x26;
const EC_FLOATING_POINT: u64 = 0x2c;
const EC_STEP: u64 = 0x32;
const EC_BREAKPOINT: u64 = 0x3c;

/// Handles a synchronous exception from user mode that is no system call.
/// Interrupts are on.
pub fn handle_fault(frame: &mut TrapFrame) {
    match frame.class() {
        EC_DATA_USER | EC_INSTRUCTION_USER => faults::handle_user(frame),
        EC_PC_ALIGNMENT => signals::fault(frame, SIGBUS, BUS_ADRALN, frame.far),
        EC_SP_ALIGNMENT => signals::fault(frame, SIGBUS, BUS_ADRALN, frame.sp),
        EC_FLOATING_POINT => signals::fault(frame, SIGFPE, FPE_INTDIV, frame.pc),
        EC_BREAKPOINT => signals::fault(frame, SIGTRAP, TRAP_BRKPT, frame.pc),
        EC_STEP if trace::stepped(frame) => signals::fault(frame, SIGTRAP, TRAP_TRACE, frame.pc),
        EC_STEP => {}
        EC_UNKNOWN | EC_ILLEGAL_STATE | EC_TRAPPED_REGISTER => {
            signals::fault(frame, SIGILL, ILL_ILLOPC, frame.pc)
        }
        class => {
            log::warn!(
                "user exception of class {class:#x}, syndrome {:#x} at {:#x}",
                frame.esr,
                frame.pc
            );
            signals::fault(frame, SIGILL, ILL_ILLOPC, frame.pc);
        }
    }
}
