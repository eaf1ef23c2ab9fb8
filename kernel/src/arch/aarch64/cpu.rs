//! The processor's own registers: interrupt mask, current thread, waiting.
//!
//! Interrupts come as IRQ, which is what "interrupts" means everywhere, except
//! that of the scheduler's timer, which comes as FIQ where the controller has
//! that. FIQ stays unmasked while interrupts are masked, so that somebody
//! notices when they are so for too long; it is masked only on the way in and
//! out of the kernel, while the CPU sleeps, and for the end.

use super::thread_info::ThreadInfo;
use aarch64_cpu::registers::{
    DAIF, ID_AA64ISAR0_EL1, ID_AA64ISAR1_EL1, ID_AA64PFR0_EL1, MIDR_EL1, MPIDR_EL1, Readable,
    TPIDR_EL0, TPIDR_EL1, TPIDRRO_EL0, VBAR_EL1, Writeable,
};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::hwcap::{self, Identification};

const DAIF_IRQ: usize = 1 << 7;

/// Masks interrupts on this CPU; returns the mask that was there.
#[inline]
pub fn irq_save() -> usize {
    let saved: usize;
    // SAFETY: masking interrupts breaks no memory; the missing `nomem` keeps
    // the compiler from moving accesses out of the masked section.
    unsafe { asm!("mrs {}, daif", "msr daifset, #2", out(reg) saved, options(nostack)) };
    saved
}

/// Puts back what `irq_save` returned.
#[inline]
pub fn irq_restore(saved: usize) {
    // SAFETY: restores an earlier state of the mask.
    unsafe { asm!("msr daif, {}", in(reg) saved, options(nostack)) };
}

/// Unmasks interrupts on this CPU, and FIQ.
#[inline]
pub fn irq_enable() {
    // SAFETY: whoever calls this is ready for interrupts.
    unsafe { asm!("msr daifclr, #3", options(nostack)) };
}

/// Unmasks FIQ on this CPU.
#[inline]
pub fn fiq_enable() {
    // SAFETY: its handler does with what it finds in any state of the kernel
    // whose vectors are installed.
    unsafe { asm!("msr daifclr, #1", options(nostack)) };
}

/// Masks FIQ as well as interrupts on this CPU; returns the mask that was
/// there.
#[inline]
pub fn irq_and_fiq_save() -> usize {
    let saved: usize;
    // SAFETY: as in `irq_save`.
    unsafe { asm!("mrs {}, daif", "msr daifset, #3", out(reg) saved, options(nostack)) };
    saved
}

/// Masks interrupts on this CPU.
#[inline]
pub fn irq_disable() {
    // SAFETY: as in `irq_save`.
    unsafe { asm!("msr daifset, #2", options(nostack)) };
}

/// Whether interrupts are taken.
#[inline]
pub fn irqs_enabled() -> bool {
    DAIF.get() as usize & DAIF_IRQ == 0
}

/// Sleeps until an interrupt or FIQ is pending, even a masked one.
pub fn wait_for_interrupt() {
    // SAFETY: only waits. The barrier makes earlier stores visible first.
    unsafe { asm!("dsb sy", "wfi", options(nostack)) };
}

/// For loops that wait for another CPU. The hint lets an emulator that runs
/// the CPUs in turn go on with the next one at once (Arm ARM C6.2, YIELD).
#[inline]
pub fn relax() {
    // SAFETY: a hint, and a barrier that slows the loop down a little.
    unsafe { asm!("yield", "isb", options(nomem, nostack, preserves_flags)) };
}

/// Masks all that can be masked: for the end.
pub fn mask_all() {
    // SAFETY: as in `irq_save`.
    unsafe { asm!("msr daifset, #0xf", options(nostack)) };
}

/// Stops this CPU for ever.
pub fn halt() -> ! {
    mask_all();
    loop {
        wait_for_interrupt();
    }
}

/// Points the CPU at the exception vectors.
pub fn install_vectors() {
    unsafe extern "C" {
        static exception_vectors: u8;
    }
    VBAR_EL1.set((&raw const exception_vectors).addr() as u64);
    TPIDRRO_EL0.set(0);
    // SAFETY: makes the new vector base take effect.
    unsafe { asm!("isb", options(nostack)) };
}

/// The running thread's [`ThreadInfo`], as [`set_current`] had it.
#[inline]
pub fn current_pointer() -> *const ThreadInfo {
    let pointer: *const ThreadInfo;
    // `pure`: within one thread the register never changes.
    // SAFETY: reading the register has no effect.
    unsafe {
        asm!("mrs {}, tpidr_el1", out(reg) pointer, options(pure, nomem, nostack, preserves_flags))
    };
    pointer
}

/// What the CPU knows of the running thread.
#[inline]
pub fn current() -> &'static ThreadInfo {
    // SAFETY: set by `set_current` to a thread that is alive while it runs.
    unsafe { &*current_pointer() }
}

/// Makes the thread that begins with `info` the one that runs on this CPU.
///
/// # Safety
/// It is alive until the next call of this, and begins there: whatever runs
/// on this CPU is taken for it.
#[inline]
pub unsafe fn set_current(info: *const ThreadInfo) {
    TPIDR_EL1.set(info.expose_provenance() as u64);
}

/// The user's thread pointer (TLS).
pub fn user_tls() -> u64 {
    TPIDR_EL0.get()
}

/// Sets the user's thread pointer (TLS).
pub fn set_user_tls(value: u64) {
    TPIDR_EL0.set(value);
}

/// This CPU's affinity (MPIDR without the flag bits).
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

/// This CPU's maker, part and revision (MIDR_EL1).
pub fn main_id() -> u64 {
    MIDR_EL1.get()
}

/// What all CPUs that were started can do.
static HWCAP: AtomicU64 = AtomicU64::new(u64::MAX);

/// Notes what this CPU can do: programs are told what all can.
pub fn note_features() {
    let own = hwcap::hwcap(Identification {
        isar0: ID_AA64ISAR0_EL1.get(),
        isar1: ID_AA64ISAR1_EL1.get(),
        pfr0: ID_AA64PFR0_EL1.get(),
    });
    HWCAP.fetch_and(own, Relaxed);
}

/// What AT_HWCAP tells programs ([`paddock_abi::hwcap`]).
pub fn hwcap() -> u64 {
    HWCAP.load(Relaxed)
}
