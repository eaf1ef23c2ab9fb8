//! [`UserCopy`]: what copies between the kernel's memory and the program's.

use core::sync::atomic::AtomicU8;

/// What a copy does about a page that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// It is brought in: the copy may sleep.
    Resolved,
    /// The copy ends before it: never sleeps.
    Refused,
}

/// What memory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// It is written.
    Write,
}

/// Copies to and from the memory of the running program. Each call says how many
/// bytes it has copied, from the first on: fewer than asked for where an address is
/// bad, or a page missing that is not to be brought in.
pub trait UserCopy {
    /// Copies in.
    fn copy_in(&self, to: &mut [u8], from: u64, faults: Faults) -> usize;

    /// Copies out.
    fn copy_out(&self, to: u64, from: &[u8], faults: Faults) -> usize;

    /// Copies in, to memory that programs may be using meanwhile.
    fn copy_in_shared(&self, to: &[AtomicU8], from: u64, faults: Faults) -> usize;

    /// Copies out, from memory that programs may be using meanwhile.
    fn copy_out_shared(&self, to: u64, from: &[AtomicU8], faults: Faults) -> usize;

    /// Sets bytes to zero. May sleep.
    fn zero(&self, to: u64, length: usize) -> usize;

    /// Brings the pages of `length` bytes in, without changing a byte; up to where
    /// they are now. May sleep.
    fn fault_in(&self, address: u64, length: usize, access: Access) -> usize;
}
