//! The log ring: the last 64 KiB of kernel messages, for `dmesg`.
//!
//! Records have numbers that never repeat; a reader keeps the number of the
//! next one it wants, and finds out by it how many it has missed.

use super::output::panicking;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use log::Level;
use paddock_sync::{IrqOff, Rank, SpinLock, WaitQueue, platform};

/// Bytes of the ring, headers included.
pub const LOG_CAPACITY: usize = 64 * 1024;
/// Length (2), level (1), time (8).
const HEADER: usize = 11;
/// How often the ring's lock is tried before a message goes without it: it
/// is held for the copy of a line, so only by code that was cut off.
const PATIENCE: u32 = 100_000;

struct Ring {
    bytes: [u8; LOG_CAPACITY],
    /// Where the oldest record begins, as a count of bytes since boot.
    tail: u64,
    /// Where the next record goes, likewise.
    head: u64,
    /// Number of the oldest record.
    oldest: u64,
    /// Number of the next record.
    next: u64,
}

static RING: SpinLock<Ring, IrqOff> = SpinLock::new(
    Rank::Log,
    Ring {
        bytes: [0; LOG_CAPACITY],
        tail: 0,
        head: 0,
        oldest: 0,
        next: 0,
    },
);
static CHANGED: WaitQueue = WaitQueue::new();
static UNANNOUNCED: AtomicBool = AtomicBool::new(false);

/// One message of the log.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its number; the first of all is 0.
    pub sequence: u64,
    /// Nanoseconds since boot.
    pub time: u64,
    /// Severity by syslog(2)'s numbers: 3 error, 4 warning, 6 info, 7 debug.
    pub severity: u8,
    /// Bytes of text, of which the reader's buffer may hold fewer.
    pub length: usize,
}

impl Ring {
    fn at(&self, position: u64) -> u8 {
        self.bytes[position as usize % LOG_CAPACITY]
    }

    fn put(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.bytes[self.head as usize % LOG_CAPACITY] = byte;
            self.head += 1;
        }
    }

    fn get<const N: usize>(&self, position: u64) -> [u8; N] {
        core::array::from_fn(|index| self.at(position + index as u64))
    }

    fn length_at(&self, position: u64) -> usize {
        usize::from(u16::from_le_bytes(self.get(position)))
    }

    fn append(&mut self, severity: u8, time: u64, text: &[u8]) {
        let size = HEADER + text.len();
        while (self.head - self.tail) as usize + size > LOG_CAPACITY {
            self.tail += (HEADER + self.length_at(self.tail)) as u64;
            self.oldest += 1;
        }
        self.put(&(text.len() as u16).to_le_bytes());
        self.put(&[severity]);
        self.put(&time.to_le_bytes());
        self.put(text);
        self.next += 1;
    }

    /// The first record whose number is at least `sequence`, and its place.
    fn find(&self, sequence: u64) -> Option<(Record, u64)> {
        if sequence >= self.next {
            return None;
        }
        let mut position = self.tail;
        for _ in self.oldest..sequence {
            position += (HEADER + self.length_at(position)) as u64;
        }
        let [severity] = self.get(position + 2);
        let record = Record {
            sequence: sequence.max(self.oldest),
            time: u64::from_le_bytes(self.get(position + 3)),
            severity,
            length: self.length_at(position),
        };
        Some((record, position + HEADER as u64))
    }
}

const fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Adds a message without its line end. Any context: if the lock's holder was
/// cut off (a panic, or a report from inside the log), the message is not
/// kept.
pub fn append(level: Level, text: &[u8]) {
    let text = text.trim_ascii_end();
    let text = &text[..text.len().min(1024)];
    let time = platform::now();
    for _ in 0..if panicking() { 1 } else { PATIENCE } {
        if let Some(mut ring) = RING.try_lock() {
            ring.append(severity(level), time, text);
            drop(ring);
            UNANNOUNCED.store(true, Relaxed);
            break;
        }
        core::hint::spin_loop();
    }
    let context = platform::context();
    if context.preemptible() && context.held_locks() == 0 && !panicking() {
        announce();
    }
}

/// Tells those who wait for messages that there are some, if there are. Not
/// with a lock held whose rank is after wait queues': `append` calls it where
/// that is certain, the interrupt dispatcher everywhere else.
pub fn announce() {
    if UNANNOUNCED.load(Relaxed) && UNANNOUNCED.swap(false, Relaxed) {
        CHANGED.wake_all();
    }
}

/// Where new messages are announced.
pub fn log_queue() -> &'static WaitQueue {
    &CHANGED
}

/// The number of the oldest message that is kept.
pub fn first_record() -> u64 {
    RING.lock().oldest
}

/// The number that the next message will have.
pub fn next_sequence() -> u64 {
    RING.lock().next
}

/// Copies the first message whose number is at least `sequence` into `text`,
/// as much as fits. `None` if there is none yet.
pub fn read_record(sequence: u64, text: &mut [u8]) -> Option<Record> {
    let ring = RING.lock();
    let (record, position) = ring.find(sequence)?;
    for (index, byte) in text.iter_mut().take(record.length).enumerate() {
        *byte = ring.at(position + index as u64);
    }
    Some(record)
}
