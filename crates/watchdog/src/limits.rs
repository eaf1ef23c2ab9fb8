//! How long something may last, and telling of it once.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How bad it is that something lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Longer than it should.
    Warning,
    /// So long that something must be wrong.
    Report,
}

/// The two limits, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longer than this is worth a warning.
    pub warning: u64,
    /// Longer than this is worth a report.
    pub report: u64,
}

impl Limits {
    /// Without a warning.
    pub const fn report_only(self) -> Self {
        Limits {
            warning: self.report,
            ..self
        }
    }

    /// How bad it is to have lasted for `age` nanoseconds.
    pub fn judge(&self, age: u64) -> Option<Severity> {
        if age > self.report {
            Some(Severity::Report)
        } else if age > self.warning {
            Some(Severity::Warning)
        } else {
            None
        }
    }
}

/// What was told of one kind of trouble in one place (a CPU, the main loop).
/// A episode of trouble is known by a key, such as its start, so each is told of
/// once as a warning and once as a report.
#[derive(Debug)]
pub struct Episode {
    warned: AtomicU64,
    reported: AtomicU64,
}

impl Episode {
    /// Nothing was told of yet.
    pub const fn new() -> Self {
        Episode {
            warned: AtomicU64::new(u64::MAX),
            reported: AtomicU64::new(u64::MAX),
        }
    }

    /// What to tell of a episode known by `key` that has lasted for `age`
    /// nanoseconds; `None` if nothing, or if that was told already. Of several
    /// callers at once one is told to speak.
    pub fn judge(&self, key: u64, age: u64, limits: Limits) -> Option<Severity> {
        let severity = limits.judge(age)?;
        let told = match severity {
            Severity::Warning => &self.warned,
            Severity::Report => &self.reported,
        };
        (told.swap(key, Relaxed) != key).then_some(severity)
    }
}

impl Default for Episode {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        warning: 100,
        report: 5000,
    };

    /// Judges a episode that is known by its start.
    fn judge(episode: &Episode, since: u64, now: u64) -> Option<Severity> {
        episode.judge(since, now.saturating_sub(since), LIMITS)
    }

    #[test]
    fn limits_are_exclusive() {
        assert_eq!(LIMITS.judge(100), None);
        assert_eq!(LIMITS.judge(101), Some(Severity::Warning));
        assert_eq!(LIMITS.judge(5000), Some(Severity::Warning));
        assert_eq!(LIMITS.judge(5001), Some(Severity::Report));
    }

    #[test]
    fn each_spell_is_told_of_once_at_each_severity() {
        let episode = Episode::new();
        assert_eq!(judge(&episode, 10, 50), None);
        assert_eq!(judge(&episode, 10, 200), Some(Severity::Warning));
        assert_eq!(judge(&episode, 10, 300), None);
        assert_eq!(judge(&episode, 10, 6000), Some(Severity::Report));
        assert_eq!(judge(&episode, 10, 9000), None);
        assert_eq!(judge(&episode, 9500, 9700), Some(Severity::Warning));
        assert_eq!(judge(&episode, 9500, 19_700), Some(Severity::Report));
    }

    #[test]
    fn a_spell_that_is_noticed_late_is_reported_at_once() {
        let episode = Episode::new();
        assert_eq!(judge(&episode, 0, 60_000), Some(Severity::Report));
        assert_eq!(judge(&episode, 0, 60_001), None);
    }

    #[test]
    fn a_start_in_the_future_is_no_trouble() {
        assert_eq!(judge(&Episode::new(), 10, 5), None);
    }
}
