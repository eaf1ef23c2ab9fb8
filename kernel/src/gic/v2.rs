//! GICv2: both parts in memory (Arm IHI 0048B).
//!
//! Where there are groups, everything is in group 1 and comes as IRQ, except
//! what [`GicV2::set_fiq`] puts in group 0. Where a secure world hides group 0,
//! the non-secure view has one group, with the bits in the same places.

use super::{FIQ_PRIORITY, FIRST_SHARED, PRIORITIES, PRIORITY, PRIORITY_MASK, SgiTarget, field};
use crate::arch::{cpu, icc};
use crate::machine::{Region, Trigger};
use crate::mmio::Mmio;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

const GICD_CTLR: usize = 0x000;
const GICD_TYPER: usize = 0x004;
const GICD_IGROUPR: usize = 0x080;
const GICD_ISENABLER: usize = 0x100;
const GICD_ICENABLER: usize = 0x180;
const GICD_ISPENDR: usize = 0x200;
const GICD_ICPENDR: usize = 0x280;
const GICD_ISACTIVER: usize = 0x300;
const GICD_ICACTIVER: usize = 0x380;
const GICD_IPRIORITYR: usize = 0x400;
const GICD_ITARGETSR: usize = 0x800;
const GICD_ICFGR: usize = 0xc00;
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
            has_groups: has_groups(&distributor),
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
        for irq in (FIRST_SHARED..self.lines).step_by(32) {
            self.quiet(irq);
            gicd.write32(GICD_ICFGR + field(irq, 2).0, 0);
            gicd.write32(GICD_ICFGR + field(irq + 16, 2).0, 0);
        }
        for irq in (FIRST_SHARED..self.lines).step_by(4) {
            gicd.write32(GICD_IPRIORITYR + irq as usize, PRIORITIES);
            gicd.write32(GICD_ITARGETSR + irq as usize, targets);
        }
        gicd.write32(GICD_CTLR, ENABLE | self.if_groups(ENABLE_GROUP_1));
    }

    /// These bits, if there are two groups.
    fn if_groups(&self, bits: u32) -> u32 {
        if self.has_groups { bits } else { 0 }
    }

    /// Disables 32 interrupts and forgets what is pending.
    fn quiet(&self, first: u32) {
        let offset = field(first, 1).0;
        for register in [GICD_ICENABLER, GICD_ICPENDR, GICD_ICACTIVER] {
            self.distributor.write32(register + offset, u32::MAX);
        }
        let groups = self.if_groups(u32::MAX);
        self.distributor.write32(GICD_IGROUPR + offset, groups);
    }

    pub fn init_cpu(&self) {
        let target = self.own_target();
        if let Some(slot) = self.targets.get(target.trailing_zeros() as usize) {
            slot.store(cpu::affinity() + 1, Relaxed);
        }
        self.quiet(0);
        for irq in (0..FIRST_SHARED).step_by(4) {
            self.distributor
                .write32(GICD_IPRIORITYR + irq as usize, PRIORITIES);
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

    /// Has a private interrupt of the calling CPU come as FIQ, or as IRQ
    /// again. False if that cannot be.
    pub fn set_fiq(&self, irq: u32, fiq: bool) -> bool {
        if !self.has_groups || irq >= FIRST_SHARED {
            return false;
        }
        let gicd = &self.distributor;
        let (offset, shift) = field(irq, 1);
        let groups = gicd.read32(GICD_IGROUPR + offset) & !(1 << shift);
        gicd.write32(GICD_IGROUPR + offset, groups | u32::from(!fiq) << shift);
        let (offset, shift) = field(irq, 8);
        let others = gicd.read32(GICD_IPRIORITYR + offset) & !(0xff << shift);
        let priority = if fiq { FIQ_PRIORITY } else { PRIORITY };
        gicd.write32(GICD_IPRIORITYR + offset, others | priority << shift);
        true
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

    pub fn enable(&self, irq: u32, trigger: Trigger) {
        if irq >= self.lines {
            return;
        }
        let gicd = &self.distributor;
        if irq >= 16 {
            let (offset, shift) = field(irq, 2);
            let config = gicd.read32(GICD_ICFGR + offset) & !(2 << shift);
            let edge = u32::from(trigger == Trigger::Edge);
            gicd.write32(GICD_ICFGR + offset, config | edge << (shift + 1));
        }
        let (offset, shift) = field(irq, 1);
        gicd.write32(GICD_ISENABLER + offset, 1 << shift);
    }

    pub fn disable(&self, irq: u32) {
        if irq < self.lines {
            let (offset, shift) = field(irq, 1);
            self.distributor
                .write32(GICD_ICENABLER + offset, 1 << shift);
        }
    }

    pub fn is_enabled(&self, irq: u32) -> bool {
        self.bit(GICD_ISENABLER, irq)
    }

    pub fn is_pending(&self, irq: u32) -> bool {
        self.bit(GICD_ISPENDR, irq)
    }

    pub fn is_active(&self, irq: u32) -> bool {
        self.bit(GICD_ISACTIVER, irq)
    }

    fn bit(&self, register: usize, irq: u32) -> bool {
        let (offset, shift) = field(irq, 1);
        irq < self.lines && self.distributor.read32(register + offset) >> shift & 1 != 0
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

/// Whether the interrupts can be put in two groups: the registers of the
/// groups keep what is written to them.
fn has_groups(distributor: &Mmio) -> bool {
    distributor.write32(GICD_IGROUPR, u32::MAX);
    distributor.read32(GICD_IGROUPR) != 0
}
