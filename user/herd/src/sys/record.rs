//! The note that a new process makes of itself, so that none is ever unknown
//! to the next herd.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::os::fd::RawFd;

/// A note that the new process makes of itself, so that none is ever unknown
/// to the next herd.
pub(super) struct Record {
    pub(super) file: RawFd,
    /// The line as far as it is known before the process exists.
    pub(super) prefix: Vec<u8>,
}

/// A line that is put together without memory from the heap.
pub(super) struct Line {
    text: [u8; 160],
    length: usize,
}

impl Line {
    pub(super) fn new() -> Line {
        Line {
            text: [0; 160],
            length: 0,
        }
    }

    /// The text, with a NUL behind it if it is not as long as can be.
    pub(super) fn as_ptr(&self) -> *const c_char {
        self.text.as_ptr().cast()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.text.get_mut(self.length) {
                *place = *byte;
                self.length += 1;
            }
        }
    }

    pub(super) fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut count = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            count += 1;
            if number == 0 {
                break;
            }
        }
        self.push(digits.get(digits.len() - count..).unwrap_or_default());
    }
}

impl Record {
    /// Runs in the child, where it may neither allocate nor panic.
    pub(super) fn note_this_process(&self) {
        let mut line = Line::new();
        line.push(&self.prefix);
        // SAFETY: `getpid` takes nothing.
        line.number(u64::from(unsafe { libc::getpid() }.unsigned_abs()));
        line.push(b" ");
        line.number(super::time::now());
        line.push(b"\n");
        // SAFETY: `text` lives for the call, and has that many bytes. If the
        // disk refuses, the service matters more.
        unsafe { libc::write(self.file, line.text.as_ptr().cast(), line.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_numbers() {
        let mut line = Line::new();
        line.push(b"x ");
        for number in [0, 7, 10, u64::MAX] {
            line.number(number);
            line.push(b" ");
        }
        let text = line.text.get(..line.length).unwrap();
        assert_eq!(text, b"x 0 7 10 18446744073709551615 ");
        line.push(&[b'y'; 200]);
        assert_eq!(line.length, 160);
    }
}
