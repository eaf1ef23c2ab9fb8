//! Text on its way to the client, in a buffer that never grows.

use core::fmt;

/// Bytes that one step of a command may write.
pub const STEP: usize = 1024;
/// Bytes in the buffer: a step's, with a carriage return before each of its
/// line feeds, and a prompt.
const SIZE: usize = 2 * STEP + 512;

/// A queue of bytes.
pub(super) struct Queue {
    bytes: [u8; SIZE],
    start: usize,
    end: usize,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; SIZE],
            start: 0,
            end: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether there is room for the echo of a byte.
    pub(super) fn has_room(&self) -> bool {
        SIZE - self.end >= 512
    }

    /// Adds bytes; what does not fit is lost.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.end += count;
    }

    /// Takes bytes into `buffer`: how many.
    pub(super) fn pop(&mut self, buffer: &mut [u8]) -> usize {
        let bytes = &self.bytes[self.start..self.end];
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.start += count;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
        count
    }
}

/// What one step of a command writes: at most [`STEP`] bytes of printable
/// text; what is more is lost.
pub struct Text<'a> {
    queue: &'a mut Queue,
    terminal: bool,
    room: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(queue: &'a mut Queue, terminal: bool) -> Self {
        Self {
            queue,
            terminal,
            room: STEP,
        }
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Adds bytes that need not be text: control characters and what is not
    /// ASCII become `?`, so that nothing in them can act on a terminal.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.room);
        self.room -= count;
        for byte in &bytes[..count] {
            match byte {
                b'\n' if self.terminal => self.queue.push(b"\r\n"),
                b'\n' | b' '..=b'~' => self.queue.push(&[*byte]),
                b'\t' => self.queue.push(b" "),
                _ => self.queue.push(b"?"),
            }
        }
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}
