//! What has come ahead of what is expected: here, and at the peer.

use crate::seq::Seq;
use alloc::vec::Vec;

/// The most gaps that are kept apart.
const MOST: usize = 32;

/// Ranges of numbers that have come out of order: in order, never touching.
#[derive(Debug)]
pub struct Ranges(Vec<(Seq, Seq)>);

impl Ranges {
    pub const fn new() -> Ranges {
        Ranges(Vec::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Adds a range. False if there is no room for it: it has not come.
    pub fn add(&mut self, mut start: Seq, mut end: Seq) -> bool {
        let ranges = &mut self.0;
        let from = ranges
            .iter()
            .position(|range| !range.1.before(start))
            .unwrap_or(ranges.len());
        let mut to = from;
        while let Some(range) = ranges.get(to).filter(|range| !range.0.after(end)) {
            (start, end) = (start.min(range.0), end.max(range.1));
            to += 1;
        }
        if from < to {
            ranges[from] = (start, end);
            ranges.drain(from + 1..to);
            return true;
        }
        if ranges.len() == MOST || ranges.try_reserve(1).is_err() {
            return false;
        }
        ranges.insert(from, (start, end));
        true
    }

    /// All, in order.
    pub fn as_slice(&self) -> &[(Seq, Seq)] {
        &self.0
    }

    /// The first number from `from` on that is in none.
    pub fn skip(&self, from: Seq) -> Seq {
        let inside = |range: &&(Seq, Seq)| !range.0.after(from) && range.1.after(from);
        self.0.iter().find(inside).map_or(from, |range| range.1)
    }

    /// Where the first begins that is after `from`.
    pub fn next_start(&self, from: Seq) -> Option<Seq> {
        let starts = self.0.iter().map(|range| range.0);
        starts.into_iter().find(|start| start.after(from))
    }

    /// Numbers from `start` to `end` that are in none.
    pub fn missing(&self, start: Seq, end: Seq) -> usize {
        let inside = |range: &(Seq, Seq)| range.1.min(end).since(range.0.max(start));
        let covered: usize = self.0.iter().map(inside).sum();
        end.since(start).saturating_sub(covered)
    }

    /// The number before which all that is in none is lost: more than
    /// `enough` numbers, or three ranges, have come behind it (RFC 6675, 4).
    pub fn lost_before(&self, enough: usize) -> Option<Seq> {
        let mut behind = 0;
        for (count, range) in self.0.iter().rev().enumerate() {
            behind += range.1.since(range.0);
            if behind > enough || count == 2 {
                return Some(range.0);
            }
        }
        None
    }

    /// The end of the last.
    pub fn end(&self) -> Option<Seq> {
        self.0.last().map(|range| range.1)
    }

    /// Everything before `expected` has come: the new end, if what follows
    /// has come as well.
    pub fn advance(&mut self, expected: Seq) -> Seq {
        let mut reached = expected;
        let mut used = 0;
        while let Some(range) = self.0.get(used).filter(|range| !range.0.after(reached)) {
            reached = reached.max(range.1);
            used += 1;
        }
        self.0.drain(..used);
        if self.0.is_empty() {
            self.clear();
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_what_was_added(parts in prop::collection::vec((0u32..200, 1u32..20), 1..20), base: u32) {
            let mut ranges = Ranges::new();
            let mut model = vec![false; 240];
            let at = |offset: u32| Seq(base.wrapping_add(offset));
            for (start, length) in parts {
                prop_assert!(ranges.add(at(start), at(start + length)));
                model[start as usize..(start + length) as usize].fill(true);
            }
            for pair in ranges.0.windows(2) {
                prop_assert!(pair[0].1.before(pair[1].0));
            }
            let missing = |from: usize, to: usize| model[from..to].iter().filter(|come| !**come).count();
            prop_assert_eq!(ranges.missing(at(10), at(150)), missing(10, 150));
            let next = (50..).find(|&offset| !model[offset]).unwrap();
            prop_assert_eq!(ranges.skip(at(50)), at(next as u32));
            if let Some(edge) = ranges.lost_before(30) {
                let offset = edge.since(at(0));
                let few = ranges.0.iter().filter(|range| !range.0.before(edge)).count() < 3;
                prop_assert!(!few || 240 - offset - missing(offset, 240) > 30);
            }
            let expected = model.iter().position(|come| !come).unwrap();
            prop_assert_eq!(ranges.advance(at(0)), at(expected as u32));
            let left = model[expected..].iter().filter(|come| **come).count();
            let held: usize = ranges.0.iter().map(|range| range.1.since(range.0)).sum();
            prop_assert_eq!(held, left);
        }
    }
}
