//! Who changes files of a mount or of a filesystem, and whether anybody may.

use crate::{Errno, Result};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// How many have files open for writing; with this bit nobody may, and nobody has.
const FORBIDDEN: usize = 1 << (usize::BITS - 1);

/// Counts those who have files open for writing, or keeps them all out: in one word, so
/// that nobody comes in between. Any context.
#[derive(Debug)]
pub(crate) struct Writers(AtomicUsize);

impl Writers {
    /// Nobody writes, anybody may.
    pub const fn new() -> Writers {
        Writers(AtomicUsize::new(0))
    }

    /// Nobody writes, and nobody may unless `allowed`.
    pub const fn with(allowed: bool) -> Writers {
        match allowed {
            true => Writers::new(),
            false => Writers(AtomicUsize::new(FORBIDDEN)),
        }
    }

    /// One more writes. `EROFS`.
    pub fn enter(&self) -> Result<()> {
        let more = |word: usize| (word & FORBIDDEN == 0).then(|| word + 1);
        let entered = self.0.fetch_update(AcqRel, Relaxed, more);
        entered.map(drop).map_err(|_| Errno::EROFS)
    }

    /// One of them less.
    pub fn leave(&self) {
        self.0.fetch_sub(1, AcqRel);
    }

    /// From now on nobody may, or anybody. `EBUSY` if somebody does.
    pub fn set_allowed(&self, allowed: bool) -> Result<()> {
        let (from, to) = match allowed {
            true => (FORBIDDEN, 0),
            false => (0, FORBIDDEN),
        };
        match self.0.compare_exchange(from, to, AcqRel, Acquire) {
            Err(word) if !allowed && word & FORBIDDEN == 0 => Err(Errno::EBUSY),
            _ => Ok(()),
        }
    }

    /// Whether nobody may.
    pub fn are_forbidden(&self) -> bool {
        self.0.load(Acquire) & FORBIDDEN != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_and_a_ban_exclude_each_other() {
        let writers = Writers::new();
        writers.enter().unwrap();
        assert_eq!(writers.set_allowed(false), Err(Errno::EBUSY));
        writers.leave();
        writers.set_allowed(false).unwrap();
        writers.set_allowed(false).unwrap();
        assert_eq!(writers.enter(), Err(Errno::EROFS));
        assert!(writers.are_forbidden());
        writers.set_allowed(true).unwrap();
        writers.enter().unwrap();
        writers.set_allowed(true).unwrap();
        writers.leave();
        writers.set_allowed(false).unwrap();
        assert!(Writers::with(false).are_forbidden());
    }
}
