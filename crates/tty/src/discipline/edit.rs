//! The line editor of canonical mode, and echo.

use super::{Discipline, LINE_MAX};
use paddock_abi::termios::*;
use paddock_process::Ring;

impl Discipline {
    pub(super) fn canonical_byte(&mut self, byte: u8, out: &mut Ring) {
        if self.is_control(byte, VERASE) {
            self.erase(out);
        } else if self.is_extended(byte, VWERASE) {
            self.erase_word(out);
        } else if self.is_control(byte, VKILL) {
            self.kill(out);
        } else if self.is_extended(byte, VLNEXT) {
            self.literal = true;
            self.echo_raw(b"^\x08", out);
        } else if self.is_extended(byte, VREPRINT) {
            self.reprint(out);
        } else if self.is_control(byte, VEOF) {
            self.finish_line(None);
        } else if byte == b'\n' {
            if self.local(ECHO) || self.local(ECHONL) {
                self.output_byte(b'\n', out);
            }
            self.finish_line(Some(byte));
        } else if self.is_control(byte, VEOL) || self.is_extended(byte, VEOL2) {
            self.echo(byte, out);
            self.finish_line(Some(byte));
        } else {
            self.ordinary(byte, out);
        }
    }

    /// A byte that stands for itself.
    pub(super) fn ordinary(&mut self, byte: u8, out: &mut Ring) {
        if !self.canonical() {
            let _ = self.finished.push(&[byte]);
            return self.echo(byte, out);
        }
        if self.line.is_empty() {
            self.line_column = self.column;
        }
        let fits = self.line.len() < LINE_MAX && self.line.try_reserve(1).is_ok();
        match fits {
            true => {
                self.line.push(byte);
                self.echo(byte, out);
            }
            false => self.echo_raw(b"\x07", out),
        }
    }

    /// Ends the line, with `end` as its last byte or none.
    fn finish_line(&mut self, end: Option<u8>) {
        let line = core::mem::take(&mut self.line);
        let mut length = self.finished.push(&line).unwrap_or(0);
        if let Some(byte) = end {
            length += self.finished.push(&[byte]).unwrap_or(0);
        }
        self.end_line(length);
    }

    /// Notes that the last `length` finished bytes are a line.
    pub(super) fn end_line(&mut self, length: usize) {
        if self.lines.try_reserve(1).is_ok() {
            self.lines.push_back(length as u16);
        } else if let Some(last) = self.lines.back_mut() {
            *last += length as u16;
        }
    }

    /// How a byte is shown when it is echoed.
    fn shows_caret(&self, byte: u8) -> bool {
        self.local(ECHOCTL) && (byte < 32 && byte != b'\t' && byte != b'\n' || byte == 127)
    }

    pub(super) fn echo(&mut self, byte: u8, out: &mut Ring) {
        if !self.local(ECHO) {
            return;
        }
        match self.shows_caret(byte) {
            true => self.echo_raw(&[b'^', byte ^ 0x40], out),
            false => self.output_byte(byte, out),
        }
    }

    fn echo_raw(&mut self, bytes: &[u8], out: &mut Ring) {
        if self.local(ECHO) {
            bytes.iter().for_each(|&byte| self.output_byte(byte, out));
        }
    }

    /// The column after the first `count` bytes of the line.
    fn column_after(&self, count: usize) -> usize {
        let step = |column: usize, &byte: &u8| match byte {
            b'\t' => (column | 7) + 1,
            _ if self.shows_caret(byte) => column + 2,
            _ if self.is_continuation(byte) || byte < 32 => column,
            _ => column + 1,
        };
        self.line[..count].iter().fold(self.line_column, step)
    }

    fn is_continuation(&self, byte: u8) -> bool {
        self.input_flag(IUTF8) && byte & 0xc0 == 0x80
    }

    /// Where the last character of the line begins.
    fn last_character(&self) -> Option<usize> {
        self.line
            .iter()
            .rposition(|&byte| !self.is_continuation(byte))
    }

    /// Cuts the line to `count` bytes, on the screen too.
    fn cut(&mut self, count: usize, out: &mut Ring) {
        let columns = self.column_after(self.line.len()) - self.column_after(count);
        self.line.truncate(count);
        for _ in 0..columns {
            self.echo_raw(b"\x08 \x08", out);
        }
    }

    fn erase(&mut self, out: &mut Ring) {
        let Some(start) = self.last_character() else {
            return;
        };
        match self.local(ECHOE) {
            true => self.cut(start, out),
            false => {
                self.line.truncate(start);
                self.echo(self.termios.c_cc[VERASE], out);
            }
        }
    }

    fn erase_word(&mut self, out: &mut Ring) {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        let word_end = self.line.iter().rposition(is_word).map_or(0, |at| at + 1);
        let before = self.line[..word_end]
            .iter()
            .rposition(|byte| !is_word(byte));
        self.cut(before.map_or(0, |at| at + 1), out);
    }

    fn kill(&mut self, out: &mut Ring) {
        if self.local(ECHOK) && self.local(ECHOKE) && self.local(ECHOE) {
            return self.cut(0, out);
        }
        self.line.clear();
        self.echo(self.termios.c_cc[VKILL], out);
        if self.local(ECHOK) {
            self.echo_raw(b"\n", out);
        }
    }

    fn reprint(&mut self, out: &mut Ring) {
        self.echo(self.termios.c_cc[VREPRINT], out);
        self.echo_raw(b"\n", out);
        self.line_column = self.column;
        for at in 0..self.line.len() {
            self.echo(self.line[at], out);
        }
    }
}
