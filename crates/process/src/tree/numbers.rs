//! Sets of process numbers.

use super::PID_MAX;

const WORDS: usize = PID_MAX as usize / 64 + 1;

/// Which numbers are those of processes: for going through them in order.
pub(super) struct Numbers([u64; WORDS]);

impl Numbers {
    /// None.
    pub(super) const fn new() -> Self {
        Numbers([0; WORDS])
    }

    /// Adds a number, or takes it out.
    pub(super) fn set(&mut self, number: u32, is_there: bool) {
        let bit = 1 << (number % 64);
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word = if is_there { *word | bit } else { *word & !bit };
        }
    }

    /// The lowest one that is not below `from`.
    pub(super) fn next(&self, from: u32) -> Option<u32> {
        let first = from as usize / 64;
        let above = u64::MAX << (from % 64);
        let words = self.0.iter().enumerate().skip(first);
        let masked = words.map(|(index, word)| match index == first {
            true => (index, word & above),
            false => (index, *word),
        });
        masked
            .filter(|(_, word)| *word != 0)
            .map(|(index, word)| index as u32 * 64 + word.trailing_zeros())
            .next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_in_order() {
        let mut numbers = Numbers::new();
        assert_eq!(numbers.next(0), None);
        for number in [1, 63, 64, 700, PID_MAX] {
            numbers.set(number, true);
        }
        let mut found = Vec::new();
        let mut next = numbers.next(0);
        while let Some(number) = next {
            found.push(number);
            next = numbers.next(number + 1);
        }
        assert_eq!(found, [1, 63, 64, 700, PID_MAX]);
        numbers.set(64, false);
        assert_eq!(numbers.next(64), Some(700));
        assert_eq!(numbers.next(PID_MAX + 1), None);
        assert_eq!(numbers.next(u32::MAX), None);
    }
}
