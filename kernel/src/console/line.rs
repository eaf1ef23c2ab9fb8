//! A line under construction: text in a buffer of fixed size.

use core::fmt::{self, Write};

/// Bytes of text that fit.
const CAPACITY: usize = 512;
/// What a line that did not fit ends in.
const CUT: &[u8] = "…".as_bytes();

/// Text that is cut off, visibly, where the buffer ends.
pub struct Line {
    bytes: [u8; CAPACITY + CUT.len() + 1],
    length: usize,
    cut: bool,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Line {
            bytes: [0; CAPACITY + CUT.len() + 1],
            length: 0,
            cut: false,
        }
    }

    /// Adds formatted text. A formatter that fails leaves what it wrote.
    pub fn format(&mut self, arguments: fmt::Arguments<'_>) {
        let _ = self.write_fmt(arguments);
        if self.cut {
            self.push(CUT);
        }
    }

    /// Ends the line.
    pub fn end(&mut self) {
        self.push(b"\n");
    }

    /// The text so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(text);
            self.length = end;
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut {
            return Ok(());
        }
        let room = CAPACITY - self.length.min(CAPACITY);
        let fits = text.floor_char_boundary(room);
        self.cut = fits < text.len();
        self.push(&text.as_bytes()[..fits]);
        Ok(())
    }
}
