//! Interrupts that do not come.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// So many in a row are no accident.
const LIMIT: u32 = 3;

/// Counts how often in a row an interrupt was missed. Any context.
#[derive(Debug)]
pub struct Misses {
    count: AtomicU32,
}

impl Misses {
    /// None yet.
    pub const fn new() -> Self {
        Misses {
            count: AtomicU32::new(0),
        }
    }

    /// The interrupt has come.
    #[inline]
    pub fn came(&self) {
        self.count.store(0, Relaxed);
    }

    /// The interrupt was due and was not there. Whether that is to be
    /// reported: the third time in a row, and then every third time.
    pub fn note(&self) -> bool {
        let count = self.count.fetch_add(1, Relaxed) + 1;
        let enough = count >= LIMIT;
        if enough {
            self.count.store(0, Relaxed);
        }
        enough
    }
}

impl Default for Misses {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_third_miss_in_a_row_is_told() {
        let misses = Misses::new();
        let told: Vec<bool> = (0..6).map(|_| misses.note()).collect();
        assert_eq!(told, [false, false, true, false, false, true]);
    }

    #[test]
    fn one_that_comes_begins_anew() {
        let misses = Misses::new();
        for _ in 0..10 {
            assert!(!misses.note());
            assert!(!misses.note());
            misses.came();
        }
    }
}
