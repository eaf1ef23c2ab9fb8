//! What a mistyped word may have meant.

use core::fmt;

/// Words that are longer are not compared, in bytes.
const MAX: usize = 32;

/// `, did you mean "WORD"?` if a known word is near to the given one, else
/// nothing.
pub(crate) struct DidYouMean<'a>(Option<&'a str>);

impl<'a> DidYouMean<'a> {
    /// Looks for the known word that is nearest to `word`.
    pub(crate) fn among(known: impl IntoIterator<Item = &'a str>, word: &str) -> Self {
        let near = known
            .into_iter()
            .map(|known| (distance(known, word), known))
            .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
            .min_by_key(|(distance, _)| *distance);
        Self(near.map(|(_, known)| known))
    }
}

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(known) => write!(f, ", did you mean \"{known}\"?"),
            None => Ok(()),
        }
    }
}

/// How many bytes have to be inserted, removed, replaced or swapped with
/// their neighbour to make one word of the other (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() > MAX || right.len() > MAX {
        return usize::MAX;
    }
    let mut before = [0; MAX + 1];
    let mut above: [usize; MAX + 1] = core::array::from_fn(|column| column);
    for (row, a) in left.iter().enumerate() {
        let mut line = [row + 1; MAX + 1];
        for (column, b) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(a != b);
            let mut best = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            let swapped = row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            line[column + 1] = best;
        }
        (before, above) = (above, line);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let known = ["status", "sync", "reboot", "restart"];
        let offered = |word| DidYouMean::among(known, word).to_string();
        for (word, near) in [
            ("stauts", "status"),
            ("snyc", "sync"),
            ("rebot", "reboot"),
            ("restrat", "restart"),
        ] {
            assert_eq!(offered(word), alloc::format!(", did you mean \"{near}\"?"));
        }
        for word in ["", "x", "ls", "cat", &"s".repeat(100)] {
            assert_eq!(offered(word), "", "{word}");
        }
    }
}
