//! What the vectors save of interrupted code, and what it says of a fault.
//! `crate::entry` is what they call.

/// The registers of interrupted code, as `vectors.s` saves them.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct TrapFrame {
    /// x0 to x30.
    pub x: [u64; 31],
    /// The user's stack pointer.
    pub sp: u64,
    /// Where to continue.
    pub pc: u64,
    /// PSTATE to continue with.
    pub pstate: u64,
    /// Exception syndrome, read in the vector.
    pub esr: u64,
    /// Fault address, read in the vector.
    pub far: u64,
}

const _: () = assert!(size_of::<TrapFrame>() == 288);

impl TrapFrame {
    /// A frame that starts a user program at EL0.
    pub fn new_user(pc: u64, sp: u64) -> Self {
        TrapFrame {
            x: [0; 31],
            sp,
            pc,
            pstate: 0,
            esr: 0,
            far: 0,
        }
    }

    /// Whether a program was interrupted: PSTATE.M is EL0.
    pub fn is_user(&self) -> bool {
        self.pstate & 0xf == 0
    }

    /// Whether interrupts were masked there: PSTATE.I.
    pub fn masks_interrupts(&self) -> bool {
        self.pstate & (1 << 7) != 0
    }

    /// Exception class, ESR_ELx.EC (Arm ARM D24.2.40).
    pub fn class(&self) -> u64 {
        (self.esr >> 26) & 0x3f
    }

    /// What a data or instruction abort was about.
    pub fn abort(&self) -> Abort {
        let status = self.esr & 0x3f;
        let access = if self.class() == EC_INSTRUCTION_USER || self.class() == EC_INSTRUCTION_KERNEL
        {
            Access::Execute
        } else if self.esr & (1 << 6) != 0 && self.esr & (1 << 8) == 0 {
            Access::Write
        } else if self.esr & (1 << 6) != 0 {
            // Cache maintenance counts as a write in the syndrome, but needs
            // only the right to read.
            Access::Read
        } else {
            Access::Read
        };
        let kind = match status & 0x3c {
            0x04 => AbortKind::Translation,
            0x08 => AbortKind::AccessFlag,
            0x0c => AbortKind::Permission,
            _ if status == 0x21 => AbortKind::Alignment,
            _ => AbortKind::External,
        };
        Abort {
            address: self.far,
            access,
            kind,
        }
    }
}

/// What kind of access faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortKind {
    /// Nothing is mapped there.
    Translation,
    /// The access flag is clear.
    AccessFlag,
    /// The mapping does not allow it.
    Permission,
    /// The address is not aligned.
    Alignment,
    /// Anything else: bus errors and the like.
    External,
}

/// A memory access that faulted.
#[derive(Clone, Copy, Debug)]
pub struct Abort {
    /// The address.
    pub address: u64,
    /// The access.
    pub access: Access,
    /// The reason.
    pub kind: AbortKind,
}

/// SVC from AArch64.
pub const EC_SVC: u64 = 0x15;
/// Instruction abort from EL0.
pub const EC_INSTRUCTION_USER: u64 = 0x20;
/// Instruction abort of the kernel's.
pub const EC_INSTRUCTION_KERNEL: u64 = 0x21;
/// Data abort from EL0.
pub const EC_DATA_USER: u64 = 0x24;
/// Data abort of the kernel's.
pub const EC_DATA_KERNEL: u64 = 0x25;
