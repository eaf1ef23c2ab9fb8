//! Names for addresses of the kernel's code. Takes no lock and no memory.

use crate::arch::boot;
use core::fmt;
use paddock_symbols::{Name, Symbols};

/// An address of the kernel's code, shown as the function it belongs to and
/// how far into it, or as the bare address if there is no name for it.
#[derive(Clone, Copy, Debug)]
pub struct Code(pub usize);

/// Where a call returns to; shown as the function that made the call, of
/// which the call may be the last instruction.
#[derive(Clone, Copy, Debug)]
pub struct ReturnTo(pub usize);

/// Whether a reference is to a constant of the kernel's own: what is read from
/// the records of a lock that may be gone need not be one.
pub fn is_constant<T>(value: &'static T) -> bool {
    let start = core::ptr::from_ref(value).addr();
    let constants = boot::constants();
    constants.contains(&start) && constants.end - start >= size_of::<T>()
}

/// The function that an address lies in.
pub fn function_at(address: usize) -> Option<Name<'static>> {
    find(address).map(|(name, _)| name)
}

fn find(address: usize) -> Option<(Name<'static>, u32)> {
    let code = boot::code();
    if !code.contains(&address) {
        return None;
    }
    let offset = u32::try_from(address - code.start).ok()?;
    Symbols::new(boot::symbols())?.find(offset)
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match find(self.0) {
            Some((name, offset)) => write!(f, "{name}+{offset:#x}"),
            None => write!(f, "{:#018x}", self.0),
        }
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match find(self.0.wrapping_sub(1)) {
            Some((name, offset)) => write!(f, "{name}+{:#x}", offset + 1),
            None => write!(f, "{:#018x}", self.0),
        }
    }
}
