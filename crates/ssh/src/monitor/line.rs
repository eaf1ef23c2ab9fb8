//! The line that is being typed.

/// The longest line, in bytes.
const MAX: usize = 160;

/// What a byte of input leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Nothing to be seen.
    Nothing,
    /// The byte is part of the line.
    Character(u8),
    /// So many characters of the line's end are gone.
    Erased(usize),
    /// The line is complete.
    Complete,
    /// It is given up (Ctrl-C).
    Abandoned,
    /// The end of input (Ctrl-D at the line's beginning).
    End,
}

/// A line of printable ASCII, edited as terminals do it.
pub(super) struct Line {
    bytes: [u8; MAX],
    length: usize,
    /// The last byte was a carriage return, which a line feed may follow.
    returned: bool,
    /// In the middle of an escape sequence, which does nothing.
    escape: Escape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Sequence,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; MAX],
            length: 0,
            returned: false,
            escape: Escape::None,
        }
    }

    /// The line so far.
    pub(super) fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Takes a byte. `terminal` tells whether control characters edit.
    pub(super) fn take(&mut self, byte: u8, terminal: bool) -> Typed {
        let after_return = core::mem::replace(&mut self.returned, byte == b'\r');
        if self.in_escape(byte) {
            return Typed::Nothing;
        }
        match byte {
            b'\n' if after_return => Typed::Nothing,
            b'\n' | b'\r' => Typed::Complete,
            b' '..=b'~' | b'\t' => self.push(if byte == b'\t' { b' ' } else { byte }),
            _ if !terminal => Typed::Nothing,
            0x03 => Typed::Abandoned,
            0x04 if self.length == 0 => Typed::End,
            0x08 | 0x7f => self.erase(usize::from(self.length > 0)),
            0x15 => self.erase(self.length),
            0x17 => self.erase(self.last_word()),
            0x1b => {
                self.escape = Escape::Begun;
                Typed::Nothing
            }
            _ => Typed::Nothing,
        }
    }

    fn in_escape(&mut self, byte: u8) -> bool {
        let (now, next) = match (self.escape, byte) {
            (Escape::None, _) => return false,
            (Escape::Begun, b'[' | b'O') => (true, Escape::Sequence),
            (Escape::Sequence, 0x20..0x40) => (true, Escape::Sequence),
            (Escape::Begun | Escape::Sequence, 0x20..0x7f) => (true, Escape::None),
            // A control character ends it and means what it always does.
            _ => (false, Escape::None),
        };
        self.escape = next;
        now
    }

    fn push(&mut self, byte: u8) -> Typed {
        match self.bytes.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length += 1;
                Typed::Character(byte)
            }
            None => Typed::Nothing,
        }
    }

    fn erase(&mut self, count: usize) -> Typed {
        self.length -= count;
        match count {
            0 => Typed::Nothing,
            count => Typed::Erased(count),
        }
    }

    /// The length of the last word with the spaces after it.
    fn last_word(&self) -> usize {
        let text = self.text();
        let word = text.trim_end_matches(' ');
        let start = word.rfind(' ').map_or(0, |space| space + 1);
        text.len() - start
    }
}
