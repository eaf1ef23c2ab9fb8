//! What a mistyped word may have been meant to be.
#![forbid(unsafe_code)]

/// `, did you mean "WORD"?` if one of `known` is near to `word`, else nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // A third of the letters may be wrong: one in "log", two in "status".
    let most = word.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(word, known), known))
        .filter(|(distance, _)| (1..=most).contains(distance))
        .min()
        .map(|(_, near)| format!(", did you mean {near:?}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["start", "status", "stop", "restart", "log"];
        for (word, near) in [
            ("strat", "start"),
            ("sttus", "status"),
            ("lgo", "log"),
            ("rstart", "restart"),
        ] {
            let text = did_you_mean(word, known);
            assert_eq!(text, format!(", did you mean {near:?}?"), "{word}");
        }
        for word in ["frobnicate", "", "x"] {
            assert_eq!(did_you_mean(word, known), "", "{word}");
        }
    }
}
