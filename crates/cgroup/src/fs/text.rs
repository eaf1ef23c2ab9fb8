//! Text that grows without ever running the kernel out of memory.

use alloc::vec::Vec;
use core::fmt::{self, Write};
use paddock_abi::{Errno, Result};

/// The text of a file, so far.
pub(super) struct Text<'a>(pub &'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Text<'_> {
    /// Appends a line. `ENOMEM`.
    pub fn line(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        self.write_fmt(arguments).map_err(|_| Errno::ENOMEM)?;
        self.write_str("\n").map_err(|_| Errno::ENOMEM)
    }
}
