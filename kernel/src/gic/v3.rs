//! GICv3: distributor and redistributors in memory, the CPU interface in
//! system registers (Arm IHI 0069H). Everything is in non-secure group 1 and
//! comes as IRQ, except what [`GicV3::set_fiq`] puts in group 0, where the
//! controller has a single security state.

use super::{FIQ_PRIORITY, FIRST_SHARED, PRIORITIES, PRIORITY, PRIORITY_MASK, SgiTarget, field};
use crate::arch::{cpu, icc};
use crate::machine::{MAX_CPUS, Region, Trigger};
use crate::mmio::Mmio;

const GICD_CTLR: usize = 0x0000;
const GICD_TYPER: usize = 0x0004;
const GICD_IROUTER: usize = 0x6000;

/// These are at the same offsets in the distributor and, for the private
/// interrupts, in a redistributor's second frame.
const IGROUPR: usize = 0x080;
const ISENABLER: usize = 0x100;
const ICENABLER: usize = 0x180;
const ISPENDR: usize = 0x200;
const ICPENDR: usize = 0x280;
const ISACTIVER: usize = 0x300;
const ICACTIVER: usize = 0x380;
const IPRIORITYR: usize = 0x400;
const ICFGR: usize = 0xc00;
const IGRPMODR: usize = 0xd00;

const GICR_TYPER: usize = 0x0008;
const GICR_WAKER: usize = 0x0014;
const FRAME: u64 = 0x1_0000;

/// ARE_NS, EnableGrp1A and EnableGrp1 of the non-secure view; with a single
/// security state the same bits are ARE and the enables of both groups.
const CTLR_ON: u32 = 1 << 4 | 1 << 1 | 1;
const CTLR_ARE: u32 = 1 << 4;
/// A single security state: group 0 is there for everybody.
const CTLR_DS: u32 = 1 << 6;
const CTLR_RWP: u32 = 1 << 31;

const WAKER_PROCESSOR_SLEEP: u32 = 1 << 1;
const WAKER_CHILDREN_ASLEEP: u32 = 1 << 2;

/// How often a status bit of the controller is read before giving up: these
/// bits settle within a few bus cycles.
const PATIENCE: u32 = 1_000_000;

#[derive(Clone, Copy, Debug)]
struct Redistributor {
    /// The CPU's affinity as in GICR_TYPER: four packed bytes.
    affinity: u32,
    control: Mmio,
    /// The frame with the private interrupts' registers.
    private: Mmio,
}

#[derive(Debug)]
pub struct GicV3 {
    distributor: Mmio,
    redistributors: [Option<Redistributor>; MAX_CPUS],
    lines: u32,
    has_groups: bool,
}

impl GicV3 {
    pub fn new(distributor: Region, regions: &[Region], stride: Option<u64>) -> Option<Self> {
        let distributor = Mmio::map(distributor)?;
        let lines = ((distributor.read32(GICD_TYPER) & 0x1f) + 1) * 32;
        let mut gic = GicV3 {
            distributor,
            redistributors: [None; MAX_CPUS],
            lines: lines.min(super::FIRST_SPECIAL),
            has_groups: distributor.read32(GICD_CTLR) & CTLR_DS != 0,
        };
        let mut slots = gic.redistributors.iter_mut();
        for region in regions {
            find_redistributors(region, stride, &mut slots)?;
        }
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
        self.settle();
        for irq in (FIRST_SHARED..self.lines).step_by(32) {
            quiet(gicd, field(irq, 1).0);
            gicd.write32(ICFGR + field(irq, 2).0, 0);
            gicd.write32(ICFGR + field(irq + 16, 2).0, 0);
        }
        for irq in (FIRST_SHARED..self.lines).step_by(4) {
            gicd.write32(IPRIORITYR + irq as usize, PRIORITIES);
        }
        // Affinity routing first: the routes exist only with it.
        gicd.write32(GICD_CTLR, CTLR_ARE);
        self.settle();
        for irq in FIRST_SHARED..self.lines {
            gicd.write64(GICD_IROUTER + 8 * irq as usize, cpu::affinity());
        }
        gicd.write32(GICD_CTLR, CTLR_ON);
        self.settle();
    }

    fn settle(&self) {
        wait_clear(&self.distributor, GICD_CTLR, CTLR_RWP);
    }

    /// This CPU's redistributor.
    fn own(&self) -> Option<&Redistributor> {
        let own = packed_affinity(cpu::affinity());
        let mut known = self.redistributors.iter().flatten();
        known.find(|redistributor| redistributor.affinity == own)
    }

    pub fn init_cpu(&self) {
        if let Some(own) = self.own() {
            own.init();
        }
        icc::init(PRIORITY_MASK);
        if self.has_groups {
            icc::init_group_0();
        }
    }

    /// Whether group 0 can be used.
    pub fn has_groups(&self) -> bool {
        self.has_groups
    }

    /// Has a private interrupt of the calling CPU come as FIQ, or as IRQ
    /// again. False if that cannot be.
    pub fn set_fiq(&self, irq: u32, fiq: bool) -> bool {
        let Some(own) = self.own().filter(|_| self.has_groups && irq < FIRST_SHARED) else {
            return false;
        };
        let (offset, shift) = field(irq, 1);
        let groups = own.private.read32(IGROUPR + offset) & !(1 << shift);
        let group = u32::from(!fiq) << shift;
        own.private.write32(IGROUPR + offset, groups | group);
        let (offset, shift) = field(irq, 8);
        let others = own.private.read32(IPRIORITYR + offset) & !(0xff << shift);
        let priority = if fiq { FIQ_PRIORITY } else { PRIORITY };
        own.private
            .write32(IPRIORITYR + offset, others | priority << shift);
        true
    }

    /// The registers that hold `irq`'s bits.
    fn registers(&self, irq: u32) -> Option<Mmio> {
        if irq < FIRST_SHARED {
            self.own().map(|own| own.private)
        } else {
            (irq < self.lines).then_some(self.distributor)
        }
    }

    pub fn enable(&self, irq: u32, trigger: Trigger) {
        let Some(registers) = self.registers(irq) else {
            return;
        };
        if irq >= 16 {
            let (offset, shift) = field(irq, 2);
            let config = registers.read32(ICFGR + offset) & !(2 << shift);
            let edge = u32::from(trigger == Trigger::Edge);
            registers.write32(ICFGR + offset, config | edge << (shift + 1));
        }
        let (offset, shift) = field(irq, 1);
        registers.write32(ISENABLER + offset, 1 << shift);
    }

    pub fn disable(&self, irq: u32) {
        if let Some(registers) = self.registers(irq) {
            let (offset, shift) = field(irq, 1);
            registers.write32(ICENABLER + offset, 1 << shift);
        }
    }
}

impl GicV3 {
    pub fn is_enabled(&self, irq: u32) -> bool {
        self.bit(ISENABLER, irq)
    }

    pub fn is_pending(&self, irq: u32) -> bool {
        self.bit(ISPENDR, irq)
    }

    pub fn is_active(&self, irq: u32) -> bool {
        self.bit(ISACTIVER, irq)
    }

    fn bit(&self, register: usize, irq: u32) -> bool {
        let (offset, shift) = field(irq, 1);
        let registers = self.registers(irq);
        registers.is_some_and(|it| it.read32(register + offset) >> shift & 1 != 0)
    }
}

impl Redistributor {
    fn init(&self) {
        let waker = self.control.read32(GICR_WAKER);
        self.control
            .write32(GICR_WAKER, waker & !WAKER_PROCESSOR_SLEEP);
        wait_clear(&self.control, GICR_WAKER, WAKER_CHILDREN_ASLEEP);
        quiet(&self.private, 0);
        for irq in (0..FIRST_SHARED).step_by(4) {
            self.private.write32(IPRIORITYR + irq as usize, PRIORITIES);
        }
    }
}

/// Takes in the redistributors of one region: they follow each other up to
/// the one that says it is the last.
fn find_redistributors<'a>(
    region: &Region,
    stride: Option<u64>,
    slots: &mut impl Iterator<Item = &'a mut Option<Redistributor>>,
) -> Option<()> {
    let mut base = region.base;
    while base + 2 * FRAME <= region.end() {
        let frames = Mmio::map(Region { base, size: FRAME })?;
        let kind = frames.read64(GICR_TYPER);
        let private = Mmio::map(Region {
            base: base + FRAME,
            size: FRAME,
        })?;
        if let Some(slot) = slots.next() {
            *slot = Some(Redistributor {
                affinity: (kind >> 32) as u32,
                control: frames,
                private,
            });
        }
        if kind & 1 << 4 != 0 {
            break;
        }
        let has_virtual = kind & 1 << 1 != 0;
        base += stride.unwrap_or(if has_virtual { 4 * FRAME } else { 2 * FRAME });
    }
    Some(())
}

/// Disables 32 interrupts, forgets what is pending, puts them in group 1.
fn quiet(registers: &Mmio, offset: usize) {
    for register in [ICENABLER, ICPENDR, ICACTIVER, IGROUPR] {
        registers.write32(register + offset, u32::MAX);
    }
    registers.write32(IGRPMODR + offset, 0);
}

fn wait_clear(registers: &Mmio, offset: usize, bit: u32) {
    for _ in 0..PATIENCE {
        if registers.read32(offset) & bit == 0 {
            return;
        }
    }
}

/// Affinity as in MPIDR packed into four bytes, as GICR_TYPER has it.
fn packed_affinity(affinity: u64) -> u32 {
    (affinity & 0xff_ffff | affinity >> 8 & 0xff00_0000) as u32
}

/// The fields of ICC_SGI1R_EL1 that name the CPU with this affinity.
fn target_field(affinity: u64) -> u64 {
    let aff0 = affinity & 0xff;
    let above =
        (affinity & 0xff_0000_0000) << 16 | (affinity & 0xff_0000) << 16 | (affinity & 0xff00) << 8;
    above | (aff0 >> 4) << 44 | 1 << (aff0 & 0xf)
}

/// Sends a software-generated interrupt.
pub fn send_sgi(sgi: u32, target: SgiTarget) {
    let target = match target {
        SgiTarget::AllOthers => 1 << 40,
        SgiTarget::Own => target_field(cpu::affinity()),
        SgiTarget::Cpu(affinity) => target_field(affinity),
    };
    icc::store_barrier();
    icc::send_sgi(target | u64::from(sgi) << 24);
}
