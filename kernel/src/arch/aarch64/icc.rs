//! The CPU interface of a GICv3 and later, which is in system registers (Arm
//! IHI 0069H, chapter 12).

use core::arch::asm;

/// Sets up this CPU's interface: interrupts of group 1 whose priority is above
/// `mask`. With interrupts masked.
pub fn init(mask: u32) {
    // SAFETY: sets up this CPU's interrupt interface: system registers on,
    // no priority active (a reset need not end what was being handled; with
    // up to 32 priorities there is one register of them), all let through,
    // no preemption levels, one-step end of interrupt, group 1 enabled.
    // Interrupts are masked here.
    unsafe {
        asm!(
            "msr s3_0_c12_c12_5, {sre}", // ICC_SRE_EL1
            "isb",
            "msr s3_0_c12_c9_0, xzr",    // ICC_AP1R0_EL1
            "msr s3_0_c4_c6_0, {pmr}",   // ICC_PMR_EL1
            "msr s3_0_c12_c12_3, {bpr}", // ICC_BPR1_EL1
            "msr s3_0_c12_c12_4, xzr",   // ICC_CTLR_EL1
            "msr s3_0_c12_c12_7, {one}", // ICC_IGRPEN1_EL1
            "isb",
            sre = in(reg) 7u64,
            pmr = in(reg) u64::from(mask),
            bpr = in(reg) 7u64,
            one = in(reg) 1u64,
            options(nostack),
        );
    }
}

/// Enables group 0, which interrupts handlers of group 1. With interrupts
/// masked.
pub fn init_group_0() {
    // SAFETY: sets up this CPU's interrupt interface, with interrupts masked.
    unsafe {
        asm!(
            "msr s3_0_c12_c8_4, xzr",    // ICC_AP0R0_EL1
            "msr s3_0_c12_c8_3, {bpr}",  // ICC_BPR0_EL1
            "msr s3_0_c12_c12_6, {one}", // ICC_IGRPEN0_EL1
            "isb",
            bpr = in(reg) 2u64,
            one = in(reg) 1u64,
            options(nostack),
        );
    }
}

/// Reads ICC_IAR0_EL1.
pub fn acknowledge_fiq() -> u32 {
    let raw: u64;
    // SAFETY: as in `acknowledge`.
    unsafe { asm!("mrs {}, s3_0_c12_c8_0", "dsb sy", out(reg) raw, options(nostack)) };
    raw as u32
}

/// Writes ICC_EOIR0_EL1.
pub fn end_fiq(raw: u32) {
    // SAFETY: as in `end`.
    unsafe { asm!("msr s3_0_c12_c8_1, {}", "isb", in(reg) u64::from(raw), options(nostack)) };
}

/// Reads ICC_IAR1_EL1.
pub fn acknowledge() -> u32 {
    let raw: u64;
    // SAFETY: takes a pending interrupt; the barrier makes the read complete
    // before the handler looks at its device.
    unsafe { asm!("mrs {}, s3_0_c12_c12_0", "dsb sy", out(reg) raw, options(nostack)) };
    raw as u32
}

/// Writes ICC_EOIR1_EL1.
pub fn end(raw: u32) {
    // SAFETY: ends an interrupt that this CPU took; the barrier makes the
    // drop of priority happen before interrupts are unmasked.
    unsafe { asm!("msr s3_0_c12_c12_1, {}", "isb", in(reg) u64::from(raw), options(nostack)) };
}

/// Makes earlier stores visible to the CPUs that are interrupted next.
pub fn store_barrier() {
    // SAFETY: only a barrier.
    unsafe { asm!("dsb ishst", options(nostack)) };
}

/// Writes ICC_SGI1R_EL1.
pub fn send_sgi(value: u64) {
    // SAFETY: interrupts CPUs, which are ready for it.
    unsafe { asm!("msr s3_0_c12_c11_5, {}", "isb", in(reg) value, options(nostack)) };
}
