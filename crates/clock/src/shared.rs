//! A line that one writes and everybody reads without a lock.

use crate::Line;
use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicI64, AtomicU64, fence};

/// The line, and a number that is odd while it is being written. Programs read it as
/// it is here, from memory that they share with the kernel.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Shared {
    number: AtomicU64,
    since: AtomicU64,
    wall: AtomicU64,
    rate: AtomicI64,
}

impl Shared {
    /// The line of zeros.
    pub const fn new() -> Shared {
        Shared {
            number: AtomicU64::new(0),
            since: AtomicU64::new(0),
            wall: AtomicU64::new(0),
            rate: AtomicI64::new(0),
        }
    }

    /// Writes it. By one at a time, whom nobody interrupts that reads.
    pub fn write(&self, line: Line) {
        let number = self.number.load(Relaxed);
        self.number.store(number.wrapping_add(1), Relaxed);
        fence(Release);
        self.since.store(line.since, Relaxed);
        self.wall.store(line.wall, Relaxed);
        self.rate.store(line.rate, Relaxed);
        self.number.store(number.wrapping_add(2), Release);
    }

    /// Reads it, and what `then` gives at the same moment: the line is the one that
    /// was valid then. Waits while it is being written.
    pub fn read<T>(&self, then: impl Fn() -> T) -> (Line, T) {
        loop {
            let number = self.number.load(Acquire);
            let at = then();
            let line = Line {
                since: self.since.load(Relaxed),
                wall: self.wall.load(Relaxed),
                rate: self.rate.load(Relaxed),
            };
            fence(Acquire);
            if number.is_multiple_of(2) && self.number.load(Relaxed) == number {
                return (line, at);
            }
            spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn nobody_reads_half_a_line() {
        let (shared, done) = (Shared::new(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=100_000 {
                    shared.write(Line {
                        since: number,
                        wall: 2 * number,
                        rate: 3 * number as i64,
                    });
                }
                done.store(true, Relaxed);
            });
            while !done.load(Relaxed) {
                let (line, ()) = shared.read(|| ());
                assert_eq!(
                    (line.wall, line.rate),
                    (2 * line.since, 3 * line.since as i64)
                );
            }
        });
        assert_eq!(shared.read(|| 7).1, 7);
    }
}
