//! GICv2: both parts in memory (Arm IHI 0048B).
//!
//! Everything is in group 0, or in group 1 where a secure world hides group
//! 0: the non-secure view has the same bits in the same places.

use super::{FIRST_SHARED, PRIORITIES, PRIORITY_MASK, SgiTarget, field};
use crate::arch::cpu;
use crate::drivers::mmio::Mmio;
use crate::machine::{Region, Trigger};
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

/// A GICv2 serves at most this many CPUs.
const MAX_TARGETS: usize = 8;

#[derive(Debug)]
pub struct GicV2 {
    distributor: Mmio,
    cpu_interface: Mmio,
    lines: u32,
    /// Affinity plus one of the CPU behind each interface; 0 is none.
    targets: [AtomicU64; MAX_TARGETS],
}

impl GicV2 {
    pub fn new(distributor: Region, cpu_interface: Region) -> Option<Self> {
        let distributor = Mmio::map(distributor)?;
        let lines = ((distributor.read32(GICD_TYPER) & 0x1f) + 1) * 32;
        let gic = GicV2 {
            distributor,
            cpu_interface: Mmio::map(cpu_interface)?,
            lines: lines.min(super::FIRST_SPECIAL),
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
        gicd.write32(GICD_CTLR, 1);
    }

    /// Disables 32 interrupts and forgets what is pending.
    fn quiet(&self, first: u32) {
        let offset = field(first, 1).0;
        for register in [GICD_ICENABLER, GICD_ICPENDR, GICD_ICACTIVER] {
            self.distributor.write32(register + offset, u32::MAX);
        }
        self.distributor.write32(GICD_IGROUPR + offset, 0);
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
        gicc.write32(GICC_PMR, PRIORITY_MASK);
        gicc.write32(GICC_BPR, 7);
        gicc.write32(GICC_CTLR, 1);
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
            SgiTarget::Cpu(affinity) => {
                let mut slots = self.targets.iter();
                match slots.position(|slot| slot.load(Relaxed) == affinity + 1) {
                    Some(interface) => 1 << (16 + interface),
                    None => return,
                }
            }
        };
        super::v3::store_barrier();
        self.distributor.write32(GICD_SGIR, target | sgi);
    }
}
