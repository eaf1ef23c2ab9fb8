//! A line under construction: text in a buffer of fixed size.

use core::fmt::{self, Write};

/// Bytes of text that fit.
const CAPACITY: usize = 512;
/// What a line that did not fit ends in.
const CUT: &[u8] = "…".as_bytes();

/// Text that is cut off, visibly, where the buffer ends.
#[derive(Debug)]
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
        let was_cut = self.cut;
        let _ = self.write_fmt(arguments);
        if self.cut && !was_cut {
            self.push(CUT);
        }
    }

    /// Ends the line.
    pub fn end(&mut self) {
        self.push(b"\n");
    }

    /// The text so far.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn push(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(text);
            self.length = end;
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut {
            return Ok(());
        }
        let room = CAPACITY.saturating_sub(self.length);
        let fits = text.floor_char_boundary(room);
        self.cut = fits < text.len();
        self.push(text.get(..fits).unwrap_or("").as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::new();
        line.format(format_args!("{text}"));
        line
    }

    #[test]
    fn short_text_is_whole() {
        let mut line = line("one");
        line.format(format_args!(", {}", 2));
        line.end();
        assert_eq!(line.bytes(), b"one, 2\n");
    }

    #[test]
    fn what_just_fits_is_not_marked() {
        let text = "x".repeat(CAPACITY);
        assert_eq!(line(&text).bytes(), text.as_bytes());
    }

    #[test]
    fn long_text_is_cut_between_characters_and_marked() {
        let text = "ä".repeat(CAPACITY);
        let mut line = line(&format!("x{text}"));
        line.format(format_args!("more"));
        line.end();
        let shown = core::str::from_utf8(line.bytes()).unwrap();
        assert_eq!(shown, format!("x{}…\n", "ä".repeat(CAPACITY / 2 - 1)));
    }
}
