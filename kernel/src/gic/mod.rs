//! The interrupt controller: GICv2 and GICv3 behind one set of functions.
//!
//! Interrupts below 32 are private: every CPU enables its own. From 32 on
//! they are shared and routed to the boot CPU.

mod lines;
mod v2;
mod v3;

use crate::arch::icc;
use crate::machine::{Gic, Machine, Trigger};
use lines::Lines;
use paddock_sync::{IrqOff, OnceCell, Rank, SpinLock};
use v2::GicV2;
use v3::GicV3;

/// The first shared interrupt.
pub const FIRST_SHARED: u32 = 32;
/// Numbers from here on are not interrupts.
pub const FIRST_SPECIAL: u32 = 1020;

/// One priority for all that come as IRQ: they do not nest.
const PRIORITY: u32 = 0xa0;
/// Those that come as FIQ go before them.
const FIQ_PRIORITY: u32 = 0x80;
/// [`PRIORITY`] in the four fields of a register.
const PRIORITIES: u32 = 0x0101_0101 * PRIORITY;
/// Lets every priority above the lowest through.
const PRIORITY_MASK: u32 = 0xf0;

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one, in a static")]
enum Controller {
    V2(GicV2),
    V3(GicV3),
}

static GIC: OnceCell<Controller> = OnceCell::new();
/// Serialises changes of registers that interrupts share.
static CONFIG: SpinLock<(), IrqOff> = SpinLock::new(Rank::Interrupts, ());

/// An interrupt that was taken and has to be ended.
#[must_use]
#[derive(Debug)]
pub struct Acknowledged {
    irq: u32,
    /// What the controller wants back: for a v2 SGI with its sender.
    raw: u32,
    /// Whether it came as FIQ, which a v3 has to be told.
    fiq: bool,
}

impl Acknowledged {
    /// The interrupt's number.
    pub fn irq(&self) -> u32 {
        self.irq
    }
}

/// Whom a software-generated interrupt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SgiTarget {
    /// The CPU with this affinity (see `cpu::affinity`).
    Cpu(u64),
    /// The calling one.
    Own,
    /// Every CPU but this one.
    AllOthers,
}

/// Sets the controller up for the boot CPU, everything disabled. Once.
///
/// # Panics
/// If the controller's registers cannot be mapped.
pub fn init(machine: &Machine) {
    let controller = match &machine.gic {
        Gic::V2 {
            distributor,
            cpu_interface,
        } => GicV2::new(*distributor, *cpu_interface).map(Controller::V2),
        Gic::V3 {
            distributor,
            redistributors,
            stride,
        } => GicV3::new(*distributor, redistributors, *stride).map(Controller::V3),
    };
    let controller = controller.expect("the interrupt controller's registers cannot be mapped");
    if GIC.set(controller).is_err() {
        panic!("the interrupt controller was set up twice");
    }
    init_cpu();
}

/// Sets up this CPU's part, its private interrupts disabled. Every CPU calls
/// this, with interrupts masked; for the boot CPU `init` does.
pub fn init_cpu() {
    let _config = CONFIG.lock();
    match GIC.get() {
        Some(Controller::V2(gic)) => gic.init_cpu(),
        Some(Controller::V3(gic)) => gic.init_cpu(),
        None => {}
    }
}

/// The name, for messages.
pub fn name() -> &'static str {
    match GIC.get() {
        Some(Controller::V2(_)) => "GICv2",
        Some(Controller::V3(_)) => "GICv3",
        None => "no GIC",
    }
}

/// How many interrupt numbers there are.
pub fn lines() -> u32 {
    match GIC.get() {
        Some(Controller::V2(gic)) => gic.lines(),
        Some(Controller::V3(gic)) => gic.lines(),
        None => 0,
    }
}

/// The registers of a line, for a private one those of this CPU.
fn registers(irq: u32) -> Option<Lines> {
    match GIC.get()? {
        Controller::V2(gic) => gic.registers(irq),
        Controller::V3(gic) => gic.registers(irq),
    }
}

/// Enables an interrupt, a private one on this CPU. Any context.
pub fn enable(irq: u32, trigger: Trigger) {
    let _config = CONFIG.lock();
    if let Some(registers) = registers(irq) {
        registers.enable(irq, trigger);
    }
}

/// Disables an interrupt, a private one on this CPU. Any context.
pub fn disable(irq: u32) {
    let _config = CONFIG.lock();
    if let Some(registers) = registers(irq) {
        registers.disable(irq);
    }
}

/// Whether the controller lets an interrupt through, a private one on this
/// CPU. Any context.
pub fn is_enabled(irq: u32) -> bool {
    registers(irq).is_some_and(|registers| registers.is_enabled(irq))
}

/// Whether an interrupt, a private one on this CPU, waits to be taken. Any
/// context.
pub fn is_pending(irq: u32) -> bool {
    registers(irq).is_some_and(|registers| registers.is_pending(irq))
}

/// Whether an interrupt, a private one of this CPU, was taken and its handler
/// is not done. Any context.
pub fn is_active(irq: u32) -> bool {
    registers(irq).is_some_and(|registers| registers.is_active(irq))
}

/// Has a private interrupt of this CPU come as FIQ, which `cpu::irq_save` does
/// not mask, or as IRQ again. False if the controller cannot do so; that it
/// says it can is to be tried. Any context.
#[must_use]
pub fn set_fiq(irq: u32, fiq: bool) -> bool {
    let _config = CONFIG.lock();
    let has_groups = match GIC.get() {
        Some(Controller::V2(gic)) => gic.has_groups(),
        Some(Controller::V3(gic)) => gic.has_groups(),
        None => false,
    };
    let may = has_groups && irq < FIRST_SHARED;
    let registers = registers(irq).filter(|_| may);
    if let Some(registers) = registers {
        registers.set_fiq(irq, fiq);
    }
    registers.is_some()
}

/// Numbers that stand for no interrupt.
fn is_special(irq: u32) -> bool {
    (FIRST_SPECIAL..FIRST_SPECIAL + 4).contains(&irq)
}

/// Takes the next pending interrupt, whichever way it comes, with interrupts
/// masked.
pub fn acknowledge() -> Option<Acknowledged> {
    let (raw, irq) = match GIC.get()? {
        Controller::V2(gic) => {
            let raw = gic.acknowledge();
            (raw, raw & 0x3ff)
        }
        Controller::V3(_) => {
            let raw = icc::acknowledge();
            (raw, raw & 0xff_ffff)
        }
    };
    if is_special(irq) {
        return acknowledge_fiq_of_v3();
    }
    let fiq = false;
    Some(Acknowledged { irq, raw, fiq })
}

/// Takes the pending interrupt `irq`, which comes as FIQ, and no other.
pub fn acknowledge_fiq(irq: u32) -> Option<Acknowledged> {
    match GIC.get()? {
        Controller::V2(gic) if gic.highest_pending() == irq => acknowledge(),
        Controller::V2(_) => None,
        Controller::V3(_) => acknowledge_fiq_of_v3(),
    }
}

fn acknowledge_fiq_of_v3() -> Option<Acknowledged> {
    let Some(Controller::V3(gic)) = GIC.get() else {
        return None;
    };
    let raw = gic.has_groups().then(icc::acknowledge_fiq)?;
    let (irq, fiq) = (raw & 0xff_ffff, true);
    (!is_special(irq)).then_some(Acknowledged { irq, raw, fiq })
}

/// Ends an interrupt whose handler is done.
pub fn end(taken: Acknowledged) {
    match GIC.get() {
        Some(Controller::V2(gic)) => gic.end(taken.raw),
        Some(Controller::V3(_)) if taken.fiq => icc::end_fiq(taken.raw),
        Some(Controller::V3(_)) => icc::end(taken.raw),
        None => {}
    }
}

/// Sends a software-generated interrupt (0 to 15). Any context.
pub fn send_sgi(sgi: u32, target: SgiTarget) {
    match GIC.get() {
        Some(Controller::V2(gic)) => gic.send_sgi(sgi & 0xf, target),
        Some(Controller::V3(_)) => v3::send_sgi(sgi & 0xf, target),
        None => {}
    }
}

/// The register of `bits`-wide fields that holds `irq`'s, as an offset from
/// the first, and the field's shift in it.
const fn field(irq: u32, bits: u32) -> (usize, u32) {
    let per_register = 32 / bits;
    ((irq / per_register * 4) as usize, irq % per_register * bits)
}
