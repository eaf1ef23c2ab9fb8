//! Whether the card's interrupts come.

use crate::detectors::{Missing, missing};
use crate::gic;
use crate::watchdog;
use paddock_detectors::Misses;

/// Whether frames come with interrupts.
pub struct Interrupts {
    number: u32,
    /// How many there have been.
    count: u64,
    /// How many there had been when the ring was last found empty.
    at_empty: Option<u64>,
    /// When (ns) a frame was first found that no interrupt has told of.
    overdue: Option<u64>,
    misses: Misses,
    /// Whether that was reported since the last interrupt.
    told: bool,
}

/// How long an interrupt may be overdue before it is missed, in nanoseconds.
const OVERDUE_NS: u64 = 1_000_000_000;

impl Interrupts {
    pub const fn new(number: u32) -> Self {
        Interrupts {
            number,
            count: 0,
            at_empty: None,
            overdue: None,
            misses: Misses::new(),
            told: false,
        }
    }

    pub fn came(&mut self) {
        self.count += 1;
        self.overdue = None;
        self.misses.came();
        self.told = false;
    }

    pub fn found_empty(&mut self) {
        self.at_empty = Some(self.count);
    }

    /// A frame was found in the ring. If there was no interrupt since it was
    /// empty, one is about to come, or will never: that is reported, once.
    pub fn found_frame(&mut self, now: u64) {
        if self.at_empty.take() != Some(self.count) || self.told {
            return;
        }
        let waited = now.saturating_sub(*self.overdue.get_or_insert(now));
        if waited <= OVERDUE_NS && gic::is_enabled(self.number) {
            return;
        }
        if let Missing::For(why) = missing(self.number, &self.misses) {
            self.told = true;
            watchdog::interrupt_missing("virtio-net", self.number, why, waited);
        }
    }
}
