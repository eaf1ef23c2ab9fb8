//! Patterns of names and addresses (ssh_config(5), "PATTERNS").

/// Whether a text matches a pattern with `*` and `?`, letters alike in both
/// cases. Takes at most the product of both lengths.
pub(crate) fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // Where to go on if the last star has to take one byte more.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, text) {
            ([b'*', rest @ ..], _) => {
                star = Some((rest, text));
                pattern = rest;
            }
            ([one, rest @ ..], [byte, more @ ..])
                if *one == b'?' || one.eq_ignore_ascii_case(byte) =>
            {
                (pattern, text) = (rest, more);
            }
            ([], []) => return true,
            _ => match star {
                Some((after, [_, more @ ..])) => {
                    star = Some((after, more));
                    (pattern, text) = (after, more);
                }
                _ => return false,
            },
        }
    }
}
