//! GICv3: distributor and redistributors in memory, the CPU interface in
//! system registers (Arm IHI 0069H). Everything is in non-secure group 1 and
//! comes as IRQ, except what [`super::set_fiq`] puts in group 0, where the
//! controller has a single security state.

use super::lines::Lines;
use super::{FIRST_SHARED, PRIORITY_MASK, SgiTarget, field};
use crate::arch::{cpu, icc};
use crate::machine::{MAX_CPUS, Region};
use crate::mmio::Mmio;

const GICD_CTLR: usize = 0x0000;
const GICD_TYPER: usize = 0x0004;
const GICD_IROUTER: usize = 0x6000;

/// Beside the registers of [`Lines`].
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
    private: Lines,
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
        self.wait_for_write();
        let lines = Lines(*gicd);
        for irq in (FIRST_SHARED..self.lines).step_by(32) {
            quiet(lines, irq);
            lines.make_level(irq);
        }
        for irq in (FIRST_SHARED..self.lines).step_by(4) {
            lines.set_priorities(irq);
        }
        // Affinity routing first: the routes exist only with it.
        gicd.write32(GICD_CTLR, CTLR_ARE);
        self.wait_for_write();
        for irq in FIRST_SHARED..self.lines {
            gicd.write64(GICD_IROUTER + 8 * irq as usize, cpu::affinity());
        }
        gicd.write32(GICD_CTLR, CTLR_ON);
        self.wait_for_write();
    }

    fn wait_for_write(&self) {
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

    /// The registers that hold `irq`'s bits, for a private line those of the
    /// calling CPU; `None` if there is no such line.
    pub fn registers(&self, irq: u32) -> Option<Lines> {
        if irq < FIRST_SHARED {
            self.own().map(|own| own.private)
        } else {
            (irq < self.lines).then_some(Lines(self.distributor))
        }
    }
}

impl Redistributor {
    fn init(&self) {
        let waker = self.control.read32(GICR_WAKER);
        self.control
            .write32(GICR_WAKER, waker & !WAKER_PROCESSOR_SLEEP);
        wait_clear(&self.control, GICR_WAKER, WAKER_CHILDREN_ASLEEP);
        quiet(self.private, 0);
        for irq in (0..FIRST_SHARED).step_by(4) {
            self.private.set_priorities(irq);
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
                private: Lines(private),
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

/// Disables 32 lines, forgets what is pending, puts them in group 1.
fn quiet(lines: Lines, first: u32) {
    lines.quiet(first, u32::MAX);
    lines.0.write32(IGRPMODR + field(first, 1).0, 0);
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
