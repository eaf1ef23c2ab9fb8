//! How many lines of a service come into its log in a second, where its definition
//! bounds that. What is left out is counted and told.

use crate::machine::Time;

/// How long lines are counted for, in milliseconds.
const WINDOW: Time = 1_000;

/// The lines of one service in the present second.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// When that began.
    since: Time,
    lines: u32,
    left_out: u64,
    /// By output: whether a line is in the middle, and whether it is shown.
    open: [Option<bool>; 2],
}

impl Rate {
    /// What of `bytes`, from one of two outputs, is within `most` lines a second. A line
    /// is as it begins: shown as a whole, or left out.
    pub(crate) fn pass(&mut self, now: Time, most: u32, output: usize, bytes: &[u8]) -> Vec<u8> {
        if now >= self.end() || now < self.since {
            (self.since, self.lines) = (now, 0);
        }
        let mut passed = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let open = self.open.get(output).copied().flatten();
            let is_shown = open.unwrap_or_else(|| self.begin(most));
            if is_shown {
                passed.extend_from_slice(piece);
            }
            if let Some(open) = self.open.get_mut(output) {
                *open = (!piece.ends_with(b"\n")).then_some(is_shown);
            }
        }
        passed
    }

    /// Whether one more line is shown.
    fn begin(&mut self, most: u32) -> bool {
        let is_shown = self.lines < most;
        match is_shown {
            true => self.lines += 1,
            false => self.left_out += 1,
        }
        is_shown
    }

    /// When the present second is over.
    pub(crate) fn end(&self) -> Time {
        self.since.saturating_add(WINDOW)
    }

    /// How many lines were left out since this was asked last.
    pub(crate) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// Whether some were.
    pub(crate) fn leaves_out(&self) -> bool {
        self.left_out > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn so_many_lines_a_second_and_the_rest_is_counted() {
        let mut rate = Rate::default();
        assert_eq!(rate.pass(5_000, 2, 0, b"one\ntw"), b"one\ntw");
        // A line that has begun goes on.
        assert_eq!(rate.pass(5_900, 2, 0, b"o\nthree\nfo"), b"o\n");
        assert_eq!(rate.pass(5_999, 2, 1, b"bad\n"), b"");
        // One that was left out is, to its end.
        assert_eq!(rate.pass(6_000, 2, 0, b"ur\nfive\n"), b"five\n");
        assert_eq!(rate.take_left_out(), 3);
        assert_eq!(rate.take_left_out(), 0);
        assert_eq!(rate.end(), 7_000);
    }

    proptest! {
        /// Every line is either shown or counted, wherever it is cut.
        #[test]
        fn no_line_is_neither(
            cuts in prop::collection::vec((0..400u64, prop::collection::vec(prop_oneof![Just(b'x'), Just(b'\n')], 0..20)), 0..40),
            most in 1..5u32,
        ) {
            let mut rate = Rate::default();
            let (mut now, mut told, mut shown) = (0, Vec::new(), Vec::new());
            for (wait, bytes) in cuts {
                now += wait;
                told.extend_from_slice(&bytes);
                shown.extend(rate.pass(now, most, 0, &bytes));
            }
            let lines = |bytes: &[u8]| bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
            prop_assert_eq!(lines(&told), lines(&shown) + rate.take_left_out());
        }
    }
}
