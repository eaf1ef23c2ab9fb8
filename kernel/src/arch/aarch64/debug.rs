//! Stepping through a program, one instruction at a time (Arm ARM D2.12, "Software
//! Step exceptions").

use core::arch::asm;

/// PSTATE.SS: one instruction, then an exception.
pub const PSTATE_SS: u64 = 1 << 21;
/// MDSCR_EL1.SS: steps are taken. The kernel itself takes none, since MDSCR_EL1.KDE
/// is clear.
const MDSCR_SS: u64 = 1;

/// Has this CPU take steps in user mode, or not. The caller stays on it.
pub fn set_stepping(on: bool) {
    let bit = u64::from(on) * MDSCR_SS;
    // SAFETY: debug exceptions from user mode are handled as any other; the OS lock,
    // which is set after a reset, would keep them off.
    unsafe {
        asm!(
            "msr oslar_el1, xzr",
            "mrs {value}, mdscr_el1",
            "bic {value}, {value}, #1",
            "orr {value}, {value}, {bit}",
            "msr mdscr_el1, {value}",
            "isb",
            value = out(reg) _,
            bit = in(reg) bit,
            options(nomem, nostack),
        );
    }
}
