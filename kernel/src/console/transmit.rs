//! The transmit ring: bytes on their way to the UART.
//!
//! Its storage is atomic so that a panic can look at it while another CPU, or
//! the code that panicked, holds the lock that serialises everybody else.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// Bytes that fit.
pub const CAPACITY: usize = 16 * 1024;

/// First in, first out. All methods but [`Ring::pop`] in a panic are called
/// with the console's lock held.
pub struct Ring {
    bytes: [AtomicU8; CAPACITY],
    /// Counts of bytes ever put in and taken out.
    head: AtomicUsize,
    tail: AtomicUsize,
}

impl Ring {
    pub const fn new() -> Self {
        Ring {
            bytes: [const { AtomicU8::new(0) }; CAPACITY],
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
        }
    }

    /// Bytes that can be put in.
    pub fn room(&self) -> usize {
        let used = self
            .head
            .load(Relaxed)
            .wrapping_sub(self.tail.load(Relaxed));
        CAPACITY - used.min(CAPACITY)
    }

    pub fn is_empty(&self) -> bool {
        self.room() == CAPACITY
    }

    /// Puts a byte in; the caller has made sure of room.
    pub fn push(&self, byte: u8) {
        let head = self.head.load(Relaxed);
        self.bytes[head % CAPACITY].store(byte, Relaxed);
        self.head.store(head.wrapping_add(1), Relaxed);
    }

    pub fn peek(&self) -> Option<u8> {
        let tail = self.tail.load(Relaxed);
        (tail != self.head.load(Relaxed)).then(|| self.bytes[tail % CAPACITY].load(Relaxed))
    }

    pub fn pop(&self) -> Option<u8> {
        let byte = self.peek()?;
        self.tail.fetch_add(1, Relaxed);
        Some(byte)
    }
}
