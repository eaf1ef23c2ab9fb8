//! The kernel's log: the last 64 KiB of messages, for `dmesg`.

use super::output::panicking;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use log::Level;
use paddock_sync::{IrqOff, Rank, SpinLock, WaitQueue, platform};

pub use paddock_console::{Cursor, Record};

/// Bytes of messages that are kept, headers included.
pub const LOG_CAPACITY: usize = 64 * 1024;
/// How often the ring's lock is tried before a message goes without it: it
/// is held for the copy of a line, so only by code that was cut off.
const PATIENCE: u32 = 100_000;

type LogRing = paddock_console::LogRing<LOG_CAPACITY>;

static RING: SpinLock<LogRing, IrqOff> = SpinLock::new(Rank::Log, LogRing::new());
static CHANGED: WaitQueue = WaitQueue::new();
static UNANNOUNCED: AtomicBool = AtomicBool::new(false);

/// By syslog(2)'s numbers.
pub(super) const fn severity(level: Level) -> u8 {
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
pub fn append(severity: u8, text: &[u8]) {
    let time = platform::now();
    for _ in 0..if panicking() { 1 } else { PATIENCE } {
        if let Some(mut ring) = RING.try_lock() {
            ring.append(severity, time, text);
            drop(ring);
            UNANNOUNCED.store(true, Relaxed);
            break;
        }
        crate::arch::cpu::relax();
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

/// A reader's place before the oldest message that is kept. Any context.
pub fn oldest() -> Cursor {
    RING.lock().oldest()
}

/// A reader's place before the last so many messages, or before all that are
/// kept. Any context.
pub fn last(count: Option<usize>) -> Cursor {
    let ring = RING.lock();
    let mut cursor = ring.oldest();
    let Some(count) = count else {
        return cursor;
    };
    let first = ring.newest().sequence().saturating_sub(count as u64);
    while cursor.sequence() < first && ring.read(&mut cursor, &mut []).is_some() {}
    cursor
}

/// A reader's place after the newest message. Any context.
pub fn newest() -> Cursor {
    RING.lock().newest()
}

/// Copies the message at the cursor into `text`, as much as fits, and moves
/// on. `None` if there is none yet. Any context.
pub fn read(cursor: &mut Cursor, text: &mut [u8]) -> Option<Record> {
    RING.lock().read(cursor, text)
}
