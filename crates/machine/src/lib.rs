//! What the device tree and the command line say of the machine.
//!
//! [`Machine::from_fdt`] reads the flattened device tree (Devicetree
//! Specification 0.4) once, before there is a heap: everything it finds has a
//! place of fixed size. Nothing here touches hardware.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod command_line;
mod memory;
mod parse;
mod tree;

pub use command_line::{CommandLine, IpConfig, LogLevel, Words};
pub use memory::{FreeRegions, Region};

use core::fmt;
use heapless::Vec;

/// The most memory regions, and the most reserved ones, that are taken in.
pub const MAX_REGIONS: usize = 32;
/// The most CPUs that are taken in.
pub const MAX_CPUS: usize = 64;
/// The most virtio-mmio slots that are taken in.
pub const MAX_VIRTIO: usize = 64;
/// The most regions of GICv3 redistributors.
pub const MAX_REDISTRIBUTORS: usize = 4;

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By a change of level.
    Edge,
    /// By its level, until the device is served.
    Level,
}

/// An interrupt of the GIC: private ones are 16 to 31, shared ones from 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// The GIC's number (INTID).
    pub number: u32,
    /// How it signals.
    pub trigger: Trigger,
}

/// A device with one register range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where its registers are, physically.
    pub registers: Region,
    /// Its interrupt, if it is wired to the GIC.
    pub interrupt: Option<Interrupt>,
}

/// Which instruction calls the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsciMethod {
    /// `hvc`.
    Hvc,
    /// `smc`.
    Smc,
}

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its affinity, as in MPIDR_EL1 without the flag bits.
    pub mpidr: u64,
    /// Whether PSCI starts it.
    pub psci: bool,
}

/// The interrupt controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gic {
    /// GICv2 (and v1): distributor and CPU interface in memory.
    V2 {
        /// The distributor (GICD).
        distributor: Region,
        /// The CPU interface (GICC).
        cpu_interface: Region,
    },
    /// GICv3 and v4: the CPU interface is in system registers.
    V3 {
        /// The distributor (GICD).
        distributor: Region,
        /// Regions of consecutive redistributors (GICR).
        redistributors: Vec<Region, MAX_REDISTRIBUTORS>,
        /// Bytes from one redistributor to the next, where it is not told by
        /// the redistributors themselves.
        stride: Option<u64>,
    },
}

/// The generic timer's interrupts, in the order of the binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerInterrupts {
    /// Secure physical timer.
    pub secure_physical: Option<Interrupt>,
    /// Non-secure physical timer (CNTP).
    pub physical: Option<Interrupt>,
    /// Virtual timer (CNTV).
    pub virtual_timer: Option<Interrupt>,
    /// Hypervisor's timer.
    pub hypervisor: Option<Interrupt>,
}

/// The machine, as its device tree describes it.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// The board's model, or "".
    pub model: &'a str,
    /// Memory, in the tree's order.
    pub memory: Vec<Region, MAX_REGIONS>,
    /// Memory that must be left alone: `/memreserve/`, `/reserved-memory`,
    /// the initial RAM disk, and what [`Machine::reserve`] adds.
    pub reserved: Vec<Region, MAX_REGIONS>,
    /// The processors.
    pub cpus: Vec<Cpu, MAX_CPUS>,
    /// How to call PSCI, if there is any.
    pub psci: Option<PsciMethod>,
    /// The interrupt controller.
    pub gic: Gic,
    /// The generic timer's interrupts.
    pub timers: Option<TimerInterrupts>,
    /// The console: `/chosen/stdout-path` if that is a PL011, else the first
    /// PL011 of the tree.
    pub uart: Option<Device>,
    /// A PL031 real-time clock.
    pub rtc: Option<Device>,
    /// virtio-mmio slots by rising address, most of them usually empty.
    pub virtio: Vec<Device, MAX_VIRTIO>,
    /// The kernel command line.
    pub command_line: &'a str,
    /// Random bytes from the boot loader; may be empty.
    pub rng_seed: &'a [u8],
    /// The initial RAM disk.
    pub initrd: Option<Region>,
    /// Whether something was left out because a table here was full.
    pub truncated: bool,
}

/// Why a device tree is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineError {
    /// It is not a device tree, or a damaged one.
    BadTree,
    /// It names no memory.
    NoMemory,
    /// It names no interrupt controller of a known kind.
    NoInterruptController,
    /// A table here is too small for it.
    TooMany(&'static str),
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineError::BadTree => f.write_str("the device tree is damaged or missing"),
            MachineError::NoMemory => f.write_str("the device tree names no memory"),
            MachineError::NoInterruptController => {
                f.write_str("the device tree names no GICv2 or GICv3")
            }
            MachineError::TooMany(what) => write!(f, "the device tree names too many {what}"),
        }
    }
}

impl core::error::Error for MachineError {}

const FDT_MAGIC: u32 = 0xd00d_feed;

/// The size in bytes that a device tree's first 8 bytes declare; `None` if
/// they do not begin one.
pub fn fdt_size(header: &[u8; 8]) -> Option<usize> {
    let [m0, m1, m2, m3, s0, s1, s2, s3] = *header;
    let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
    (u32::from_be_bytes([m0, m1, m2, m3]) == FDT_MAGIC && size >= 40).then_some(size)
}

/// How many bytes of a well-formed device tree hold something: all up to the
/// end of its strings, the last of its blocks (Devicetree Specification,
/// section 5.1). Boot loaders declare more, to have room for changes.
pub fn fdt_used(tree: &[u8]) -> usize {
    let field = |at: usize| {
        let bytes = tree.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes) as usize)
    };
    let (offset, size) = (field(12), field(32));
    let end = offset
        .zip(size)
        .map(|(offset, size)| offset.saturating_add(size));
    end.map_or(tree.len(), |end| end.min(tree.len()))
}

impl<'a> Machine<'a> {
    /// Reads a device tree.
    pub fn from_fdt(fdt: &'a [u8]) -> Result<Self, MachineError> {
        parse::machine(fdt)
    }

    /// Marks memory that must be left alone, such as the kernel's image and
    /// the device tree itself.
    pub fn reserve(&mut self, base: u64, size: u64) -> Result<(), MachineError> {
        if size == 0 {
            return Ok(());
        }
        self.reserved
            .push(Region { base, size })
            .map_err(|_| MachineError::TooMany("reserved regions"))
    }

    /// The memory that is free to use: whole pages of 4 KiB outside every
    /// reserved region, each region by rising address, none overlapping.
    pub fn free_memory(&self) -> FreeRegions<'_> {
        FreeRegions::new(&self.memory, &self.reserved)
    }

    /// Bytes of memory in all.
    pub fn memory_size(&self) -> u64 {
        self.memory.iter().map(|region| region.size).sum()
    }
}
