//! Text that grows without ever running the kernel out of memory.

use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::str::FromStr;
use paddock_abi::{Errno, Result};
use paddock_vfs::proc_fs::ProcNode;

/// The text of a generated file, so far.
pub struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl<'a> Text<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Text(out)
    }

    /// Appends what `format_args!` describes. `ENOMEM`.
    pub fn put(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        self.write_fmt(arguments).map_err(|_| Errno::ENOMEM)
    }

    /// All that is there, to be appended to.
    pub fn inner(&mut self) -> &mut Vec<u8> {
        self.0
    }

    /// Appends bytes. `ENOMEM`.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.try_reserve(bytes.len()).map_err(|_| Errno::ENOMEM)?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends a path in which space, tab, line end and backslash are written
    /// as `\` and three octal digits, as in fstab(5). `ENOMEM`.
    pub fn escaped(&mut self, bytes: &[u8]) -> Result<()> {
        for &byte in bytes {
            match byte {
                b' ' | b'\t' | b'\n' | b'\\' => self.put(format_args!("\\{byte:03o}"))?,
                _ => self.bytes(&[byte])?,
            }
        }
        Ok(())
    }
}

/// The number that is written to a file, with white space around it or not. `EINVAL`.
pub fn given_number<T: FromStr>(data: &[u8]) -> Result<T> {
    let text = core::str::from_utf8(data.trim_ascii()).map_err(|_| Errno::EINVAL)?;
    text.parse().map_err(|_| Errno::EINVAL)
}

/// A file that anyone may read.
pub fn file(generate: fn(&mut Text<'_>) -> Result<()>) -> ProcNode {
    ProcNode::text(move |out| generate(&mut Text::new(out)))
}
