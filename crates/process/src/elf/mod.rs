//! ELF programs (elf(5), and the AArch64 ELF supplement): which pieces of
//! the file go where in memory. Every number in the file is distrusted.

mod header;
mod plan;

pub use header::{Image, ImageKind, Segment};
pub use plan::Mapping;

use paddock_abi::Result;

/// The page size that segments are laid out in.
pub const PAGE: u64 = 4096;
/// The end of the user's half of the address space.
pub const USER_TOP: u64 = 1 << 48;
/// The lowest address a program may occupy.
pub const USER_BOTTOM: u64 = 0x1000;

/// Where an ELF file's bytes come from. Reads may sleep.
pub trait Source {
    /// Fills `buf` from `offset` on, or fails with `ENOEXEC` if the file ends
    /// before.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// The length of the file.
    fn len(&self) -> u64;

    /// Whether the file is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file in memory.
impl Source for &[u8] {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(buf.len()));
        let bytes = start.zip(end).and_then(|(start, end)| self.get(start..end));
        buf.copy_from_slice(bytes.ok_or(paddock_abi::Errno::ENOEXEC)?);
        Ok(())
    }

    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }
}

#[cfg(test)]
mod tests;
