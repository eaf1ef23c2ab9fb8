//! Sources that fail have less of the pool for a while.

use alloc::vec::Vec;

use super::Source;

/// Sources that are kept in mind.
const SOURCES: usize = 64;
/// A source is restricted while its penalty is longer, in milliseconds.
const TOLERATED: u64 = 15_000;
/// No penalty is longer.
const LONGEST: u64 = 600_000;

/// What a connection without a login has done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// It ended without having tried to log in.
    Idle,
    /// It tried and was refused, took too long, or broke the protocol.
    Failed,
}

impl Offence {
    /// What it costs, in milliseconds.
    fn cost(self) -> u64 {
        match self {
            Self::Idle => 1_000,
            Self::Failed => 5_000,
        }
    }
}

/// Until when each source's penalty lasts.
#[derive(Debug, Default)]
pub(super) struct Penalties(Vec<(Source, u64)>);

impl Penalties {
    /// Adds to a source's penalty.
    pub(super) fn add(&mut self, source: Source, now: u64, offence: Offence) {
        self.0.retain(|(_, until)| *until > now);
        if let Some((_, until)) = self.0.iter_mut().find(|(other, _)| *other == source) {
            *until = (*until + offence.cost()).min(now + LONGEST);
            return;
        }
        if self.0.len() >= SOURCES
            && let Some(least) = (0..SOURCES).min_by_key(|index| self.0[*index].1)
        {
            self.0.swap_remove(least);
        }
        if self.0.try_reserve(1).is_ok() {
            self.0.push((source, now + offence.cost()));
        }
    }

    /// Whether a source has less than others now.
    pub(super) fn is_restricted(&self, source: Source, now: u64) -> bool {
        let is_long = |until: u64| until.saturating_sub(now) > TOLERATED;
        self.0
            .iter()
            .any(|(other, until)| *other == source && is_long(*until))
    }

    /// Somebody has logged in from there.
    pub(super) fn forgive(&mut self, source: Source) {
        self.0.retain(|(other, _)| *other != source);
    }
}
