//! Which processors there are, and the interrupts by which they call each
//! other. `smp` starts them.

use crate::arch::cpu;
use crate::gic;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub use crate::config::MAX_CPUS;

/// CPUs that will run at the end of the boot.
static POSSIBLE: AtomicUsize = AtomicUsize::new(1);
/// CPUs that run now: those with indices below.
static ONLINE: AtomicUsize = AtomicUsize::new(1);
/// Affinity of each CPU, by index.
static AFFINITY: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// An interrupt that one CPU sends to another: its number is that of the
/// software-generated interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ipi {
    /// Look at the run queue.
    Reschedule,
    /// Halt for ever.
    Stop,
    /// Arm Embassy's timer anew.
    Alarm,
    /// Say where you are, for a report.
    Report,
    /// The scheduler's timer has fired while interrupts were masked.
    Timer,
}

/// The index of the CPU that this code runs on. The caller has preemption or
/// interrupts off, or wants no more than a hint.
#[inline]
pub fn this_cpu() -> usize {
    cpu::current().cpu.load(Ordering::Relaxed)
}

/// How many CPUs run: their indices are below.
pub fn online() -> usize {
    ONLINE.load(Ordering::Acquire)
}

/// How many CPUs run, or will once the boot is over.
pub fn possible() -> usize {
    POSSIBLE.load(Ordering::Relaxed)
}

/// Notes how many there will be. Once, on the boot CPU, or when one of them
/// does not come.
pub fn set_possible(count: usize) {
    POSSIBLE.store(count, Ordering::Relaxed);
}

/// Notes the affinity of the CPU with this index: before it is started.
pub fn set_affinity(cpu: usize, affinity: u64) {
    AFFINITY[cpu].store(affinity, Ordering::Relaxed);
}

/// The calling CPU, which is the next one, runs from now on.
pub fn set_online(cpu: usize) {
    ONLINE.store(cpu + 1, Ordering::Release);
}

/// Interrupts the calling CPU once interrupts are unmasked. They are masked
/// now, or preemption is off.
pub fn send_self(ipi: Ipi) {
    gic::send_sgi(ipi as u32, gic::SgiTarget::Own);
}

/// Interrupts `cpu`, which may be the calling one. Any context.
pub fn send(cpu: usize, ipi: Ipi) {
    if cpu == this_cpu() {
        return send_self(ipi);
    }
    let affinity = AFFINITY[cpu].load(Ordering::Relaxed);
    gic::send_sgi(ipi as u32, gic::SgiTarget::Cpu(affinity));
}

/// Halts all other CPUs: the system is about to end. Any context.
pub fn stop_others() {
    if online() > 1 {
        gic::send_sgi(Ipi::Stop as u32, gic::SgiTarget::AllOthers);
    }
}
