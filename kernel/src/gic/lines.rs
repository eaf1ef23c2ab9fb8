//! The registers of interrupt lines, which are at the same offsets in the
//! distributor of a GICv2, in that of a GICv3, and, for private interrupts, in
//! the second frame of a redistributor.

use super::{FIQ_PRIORITY, PRIORITIES, PRIORITY, field};
use crate::machine::Trigger;
use crate::mmio::Mmio;

const IGROUPR: usize = 0x080;
const ISENABLER: usize = 0x100;
const ICENABLER: usize = 0x180;
const ISPENDR: usize = 0x200;
const ICPENDR: usize = 0x280;
const ISACTIVER: usize = 0x300;
const ICACTIVER: usize = 0x380;
const IPRIORITYR: usize = 0x400;
const ICFGR: usize = 0xc00;

/// The registers of some lines. Changes of those that CPUs share are
/// serialised by the caller.
#[derive(Clone, Copy, Debug)]
pub struct Lines(pub Mmio);

impl Lines {
    /// Disables 32 lines from `first` on, forgets what is pending and active,
    /// and puts them in the groups of these bits.
    pub fn quiet(&self, first: u32, groups: u32) {
        let offset = field(first, 1).0;
        for register in [ICENABLER, ICPENDR, ICACTIVER] {
            self.0.write32(register + offset, u32::MAX);
        }
        self.0.write32(IGROUPR + offset, groups);
    }

    /// Makes 32 lines from `first` on level-triggered.
    pub fn make_level(&self, first: u32) {
        for irq in [first, first + 16] {
            self.0.write32(ICFGR + field(irq, 2).0, 0);
        }
    }

    /// Gives four lines from `first` on the priority of all.
    pub fn set_priorities(&self, first: u32) {
        self.0.write32(IPRIORITYR + first as usize, PRIORITIES);
    }

    /// Whether the lines can be put in two groups: the registers keep what is
    /// written to them.
    pub fn have_groups(&self) -> bool {
        self.0.write32(IGROUPR, u32::MAX);
        self.0.read32(IGROUPR) != 0
    }

    /// Enables a line.
    pub fn enable(&self, irq: u32, trigger: Trigger) {
        if irq >= 16 {
            let (offset, shift) = field(irq, 2);
            let config = self.0.read32(ICFGR + offset) & !(2 << shift);
            let edge = u32::from(trigger == Trigger::Edge);
            self.0.write32(ICFGR + offset, config | edge << (shift + 1));
        }
        let (offset, shift) = field(irq, 1);
        self.0.write32(ISENABLER + offset, 1 << shift);
    }

    /// Disables a line.
    pub fn disable(&self, irq: u32) {
        let (offset, shift) = field(irq, 1);
        self.0.write32(ICENABLER + offset, 1 << shift);
    }

    /// Has a line come as FIQ, or as IRQ again.
    pub fn set_fiq(&self, irq: u32, fiq: bool) {
        let (offset, shift) = field(irq, 1);
        let groups = self.0.read32(IGROUPR + offset) & !(1 << shift);
        self.0
            .write32(IGROUPR + offset, groups | u32::from(!fiq) << shift);
        let (offset, shift) = field(irq, 8);
        let others = self.0.read32(IPRIORITYR + offset) & !(0xff << shift);
        let priority = if fiq { FIQ_PRIORITY } else { PRIORITY };
        self.0
            .write32(IPRIORITYR + offset, others | priority << shift);
    }

    /// Whether a line is let through.
    pub fn is_enabled(&self, irq: u32) -> bool {
        self.bit(ISENABLER, irq)
    }

    /// Whether a line waits to be taken.
    pub fn is_pending(&self, irq: u32) -> bool {
        self.bit(ISPENDR, irq)
    }

    /// Whether a line was taken and is not ended.
    pub fn is_active(&self, irq: u32) -> bool {
        self.bit(ISACTIVER, irq)
    }

    fn bit(&self, register: usize, irq: u32) -> bool {
        let (offset, shift) = field(irq, 1);
        self.0.read32(register + offset) >> shift & 1 != 0
    }
}
