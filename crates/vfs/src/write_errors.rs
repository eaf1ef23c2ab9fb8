//! [`WriteErrors`]: what went wrong in writing a file back, told once to each
//! open file description (Linux, lib/errseq.c).

use crate::{Errno, Result};
use core::sync::atomic::{AtomicU64, Ordering};

/// The error is that there is no space, and not that the disk fails.
const NO_SPACE: u64 = 1;
/// Somebody has been told of the error.
const SEEN: u64 = 2;
/// One error more.
const STEP: u64 = 4;

/// The newest error of writing a file back, and how many there were.
#[derive(Debug, Default)]
pub struct WriteErrors(AtomicU64);

/// Up to which error a file description has been told.
#[derive(Debug, Default)]
pub struct Told(AtomicU64);

impl WriteErrors {
    /// None so far.
    pub const fn new() -> WriteErrors {
        WriteErrors(AtomicU64::new(0))
    }

    /// Notes an error: `ENOSPC`, or any other, which is told as `EIO`. Never
    /// sleeps.
    pub fn record(&self, error: Errno) {
        let kind = if error == Errno::ENOSPC { NO_SPACE } else { 0 };
        let next = |state: u64| Some((state & !(NO_SPACE | SEEN)).wrapping_add(STEP) | kind);
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    /// What a file that is opened now has been told: all, unless nobody has
    /// been told of the newest error.
    pub fn opened(&self) -> Told {
        let state = self.0.load(Ordering::Acquire);
        Told(AtomicU64::new(if state & SEEN == 0 { 0 } else { state }))
    }

    /// # Errors
    /// The newest error, if it came after what has been `told`.
    pub fn check(&self, told: &Told) -> Result<()> {
        let state = self.0.load(Ordering::Acquire);
        if state & !SEEN == told.0.load(Ordering::Acquire) & !SEEN {
            return Ok(());
        }
        // Whoever adds an error meanwhile is told of the next time.
        let seen =
            self.0
                .compare_exchange(state, state | SEEN, Ordering::AcqRel, Ordering::Acquire);
        let now = if seen.is_ok() { state | SEEN } else { state };
        match told.0.swap(now, Ordering::AcqRel) & !SEEN == state & !SEEN {
            true => Ok(()),
            false if state & NO_SPACE != 0 => Err(Errno::ENOSPC),
            false => Err(Errno::EIO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once() {
        let errors = WriteErrors::new();
        let (one, two) = (errors.opened(), errors.opened());
        assert_eq!(errors.check(&one), Ok(()));
        errors.record(Errno::EIO);
        assert_eq!(errors.check(&one), Err(Errno::EIO));
        assert_eq!(errors.check(&one), Ok(()));
        let late = errors.opened();
        assert_eq!(errors.check(&late), Ok(()));
        assert_eq!(errors.check(&two), Err(Errno::EIO));
        errors.record(Errno::ENOSPC);
        // Nobody has been told of this one.
        let later = errors.opened();
        for told in [&one, &two, &late, &later] {
            assert_eq!(errors.check(told), Err(Errno::ENOSPC));
            assert_eq!(errors.check(told), Ok(()));
        }
    }
}
