//! What happens to a program's output on its way to the screen.

use super::Discipline;
use paddock_abi::termios::*;
use paddock_process::Ring;

/// The most bytes that one byte of output becomes.
const WIDEST: usize = 8;

impl Discipline {
    fn output_flag(&self, flag: u32) -> bool {
        self.termios.c_oflag & flag != 0
    }

    /// Processes output into `out` as far as there is room; how many bytes
    /// were taken.
    pub fn output(&mut self, bytes: &[u8], out: &mut Ring) -> usize {
        if !self.output_flag(OPOST) {
            return out.push(bytes).unwrap_or(0);
        }
        let mut taken = 0;
        while taken < bytes.len() {
            let run = self.printable_run(&bytes[taken..]);
            if run.is_empty() {
                if out.room() < WIDEST {
                    break;
                }
                self.output_byte(bytes[taken], out);
                taken += 1;
            } else {
                let pushed = out.push(run).unwrap_or(0);
                self.column += pushed;
                taken += pushed;
                if pushed < run.len() {
                    break;
                }
            }
        }
        taken
    }

    /// The leading bytes that are neither changed nor move the cursor other
    /// than one to the right.
    fn printable_run<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let changed =
            |byte: &u8| *byte < 32 || (self.output_flag(OLCUC) && byte.is_ascii_lowercase());
        let end = bytes.iter().position(changed);
        &bytes[..end.unwrap_or(bytes.len())]
    }

    /// Processes one byte. What finds no room is lost: that happens to echo
    /// only.
    pub(super) fn output_byte(&mut self, byte: u8, out: &mut Ring) {
        let post = self.output_flag(OPOST);
        match byte {
            b'\n' if post && self.output_flag(ONLCR) => {
                self.column = 0;
                put(out, b"\r\n");
            }
            b'\n' => {
                self.column = if self.output_flag(ONLRET) {
                    0
                } else {
                    self.column
                };
                put(out, b"\n");
            }
            b'\r' if post && self.output_flag(OCRNL) => put(out, b"\n"),
            b'\r' if post && self.output_flag(ONOCR) && self.column == 0 => {}
            b'\r' => {
                self.column = 0;
                put(out, b"\r");
            }
            b'\t' => self.tab(post, out),
            8 => {
                self.column = self.column.saturating_sub(1);
                put(out, b"\x08");
            }
            _ => {
                self.column += usize::from(byte >= 32 && byte & 0xc0 != 0x80);
                let upper = post && self.output_flag(OLCUC);
                put(
                    out,
                    &[if upper {
                        byte.to_ascii_uppercase()
                    } else {
                        byte
                    }],
                );
            }
        }
    }

    fn tab(&mut self, post: bool, out: &mut Ring) {
        let next = (self.column | 7) + 1;
        match post && self.termios.c_oflag & TABDLY == XTABS {
            true => put(out, &b"        "[..next - self.column]),
            false => put(out, b"\t"),
        }
        self.column = next;
    }
}

fn put(out: &mut Ring, bytes: &[u8]) {
    if out.room() >= bytes.len() {
        let _ = out.push(bytes);
    }
}
