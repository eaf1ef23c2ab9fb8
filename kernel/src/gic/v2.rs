//! GICv2: both parts in memory (Arm IHI 0048B).
//!
//! Where there are groups, everything is in group 1 and comes as IRQ, except
//! what [`super::set_fiq`] puts in group 0. Where a secure world hides group 0,
//! the non-secure view has one group, with the bits in the same places.

use super::lines::Lines;
use super::{FIRST_SHARED, PRIORITY_MASK, SgiTarget};
use crate::arch::{cpu, icc};
use crate::machine::Region;
use crate::mmio::Mmio;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

const GICD_CTLR: usize = 0x000;
const GICD_TYPER: usize = 0x004;
const GICD_ITARGETSR: usize = 0x800;
const GICD_SGIR: usize = 0xf00;

const GICC_CTLR: usize = 0x00;
const GICC_PMR: usize = 0x04;
const GICC_BPR: usize = 0x08;
const GICC_IAR: usize = 0x0c;
const GICC_EOIR: usize = 0x10;
const GICC_HPPIR: usize = 0x18;
const GICC_ABPR: usize = 0x1c;
/// Active priorities, of group 0 (or all) and of group 1: four words each.
const GICC_APR: usize = 0xd0;
const GICC_NSAPR: usize = 0xe0;

/// GICD_CTLR and GICC_CTLR: the only group, or group 0.
const ENABLE: u32 = 1;
/// Group 1 as well.
const ENABLE_GROUP_1: u32 = 1 << 1;
/// GICC_CTLR.AckCtl: GICC_IAR gives the interrupts of both groups.
const ACKNOWLEDGE_BOTH: u32 = 1 << 2;
/// GICC_CTLR.FIQEn: group 0 comes as FIQ.
const FIQ_ENABLE: u32 = 1 << 3;
/// GICD_SGIR.NSATT: the interrupt is in group 1.
const SGI_GROUP_1: u32 = 1 << 15;

/// GICC_BPR: an interrupt interrupts those of a lower priority, or none.
const PREEMPT: u32 = 2;
const NO_PREEMPTION: u32 = 7;

/// A GICv2 serves at most this many CPUs.
const MAX_TARGETS: usize = 8;

#[derive(Debug)]
pub struct GicV2 {
    distributor: Mmio,
    cpu_interface: Mmio,
    lines: u32,
    /// Whether there are two groups.
    has_groups: bool,
    /// Affinity plus one of the CPU behind each interface; 0 is none.
    targets: [AtomicU64; MAX_TARGETS],
}

impl GicV2 {
    pub fn new(distributor: Region, cpu_interface: Region) -> Option<Self> {
        let distributor = Mmio::map(distributor)?;
        let lines = ((distributor.read32(GICD_TYPER) & 0x1f) + 1) * 32;
        let gic = GicV2 {
            cpu_interface: Mmio::map(cpu_interface)?,
            lines: lines.min(super::FIRST_SPECIAL),
            has_groups: Lines(distributor).have_groups(),
            distributor,
            targets: [const { AtomicU64::new(0) }; MAX_TARGETS],
        };
        gic.init_distributor();
        Some(gic)
    }

    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// All shared interrupts off and routed to the calling CPU.
    fn init_distributor(&self) {
        let gicd = &self.distributor;
        gicd.write32(GICD_CTLR, 0);
        let targets = u32::from(self.own_target()) * 0x0101_0101;
        let lines = Lines(*gicd);
        for irq in (FIRST_SHARED..self.lines).step_by(32) {
            lines.quiet(irq, self.if_groups(u32::MAX));
            lines.make_level(irq);
        }
        for irq in (FIRST_SHARED..self.lines).step_by(4) {
            lines.set_priorities(irq);
            gicd.write32(GICD_ITARGETSR + irq as usize, targets);
        }
        gicd.write32(GICD_CTLR, ENABLE | self.if_groups(ENABLE_GROUP_1));
    }

    /// These bits, if there are two groups.
    fn if_groups(&self, bits: u32) -> u32 {
        if self.has_groups { bits } else { 0 }
    }

    pub fn init_cpu(&self) {
        let target = self.own_target();
        if let Some(slot) = self.targets.get(target.trailing_zeros() as usize) {
            slot.store(cpu::affinity() + 1, Relaxed);
        }
        let lines = Lines(self.distributor);
        lines.quiet(0, self.if_groups(u32::MAX));
        for irq in (0..FIRST_SHARED).step_by(4) {
            lines.set_priorities(irq);
        }
        let gicc = &self.cpu_interface;
        gicc.write32(GICC_CTLR, 0);
        // A reset need not end the interrupts that were being handled.
        for word in 0..4 {
            gicc.write32(GICC_APR + 4 * word, 0);
            if self.has_groups {
                gicc.write32(GICC_NSAPR + 4 * word, 0);
            }
        }
        gicc.write32(GICC_PMR, PRIORITY_MASK);
        if self.has_groups {
            gicc.write32(GICC_BPR, PREEMPT);
            gicc.write32(GICC_ABPR, NO_PREEMPTION);
            let both = ENABLE_GROUP_1 | ACKNOWLEDGE_BOTH | FIQ_ENABLE;
            gicc.write32(GICC_CTLR, ENABLE | both);
        } else {
            gicc.write32(GICC_BPR, NO_PREEMPTION);
            gicc.write32(GICC_CTLR, ENABLE);
        }
    }

    /// Whether there are two groups.
    pub fn has_groups(&self) -> bool {
        self.has_groups
    }

    /// The registers that hold `irq`'s bits; `None` if there is no such line.
    pub fn registers(&self, irq: u32) -> Option<Lines> {
        (irq < self.lines).then_some(Lines(self.distributor))
    }

    /// The interrupt that would be acknowledged next.
    pub fn highest_pending(&self) -> u32 {
        self.cpu_interface.read32(GICC_HPPIR) & 0x3ff
    }

    /// This CPU's bit in target masks. A controller of a single CPU has none.
    fn own_target(&self) -> u8 {
        let banked = (0..FIRST_SHARED).step_by(4);
        let mask = banked
            .map(|irq| self.distributor.read32(GICD_ITARGETSR + irq as usize))
            .fold(0, |all, one| all | one);
        let [a, b, c, d] = mask.to_le_bytes();
        a | b | c | d
    }

    pub fn acknowledge(&self) -> u32 {
        self.cpu_interface.read32(GICC_IAR)
    }

    pub fn end(&self, raw: u32) {
        self.cpu_interface.write32(GICC_EOIR, raw);
    }

    pub fn send_sgi(&self, sgi: u32, target: SgiTarget) {
        let target = match target {
            SgiTarget::AllOthers => 1 << 24,
            SgiTarget::Own => 2 << 24,
            SgiTarget::Cpu(affinity) => {
                let mut slots = self.targets.iter();
                match slots.position(|slot| slot.load(Relaxed) == affinity + 1) {
                    Some(interface) => 1 << (16 + interface),
                    None => return,
                }
            }
        };
        icc::store_barrier();
        let group = self.if_groups(SGI_GROUP_1);
        self.distributor.write32(GICD_SGIR, target | group | sgi);
    }
}
