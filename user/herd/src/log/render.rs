//! How what is written to a log is shown: every line with its time and who
//! wrote it.
//!
//! Output is shown as it comes, without waiting for the end of a line: a line
//! that is interrupted by another origin is broken there. So nothing is held
//! back that could be lost.

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Out,
    Err,
    Herd,
}

impl Origin {
    fn mark(self) -> &'static str {
        match self {
            Origin::Out => " out  | ",
            Origin::Err => " err  | ",
            Origin::Herd => " herd | ",
        }
    }
}

/// Longer lines are broken, so that a file can be turned over in time.
const LONGEST: usize = 4096;

/// Turns what comes for one log into lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Whose line has not ended yet.
    open: Option<Origin>,
    /// Bytes that were left out since the last that were not.
    lost: u64,
}

impl Lines {
    /// `bytes` as they stand in the log at the time `now`.
    pub(crate) fn show(&mut self, origin: Origin, bytes: &[u8], now: &str) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 2 + 64);
        if self.lost > 0 {
            self.begin(Origin::Herd, now, &mut text);
            let words = format!("{} bytes of log were lost before this line\n", self.lost);
            text.extend_from_slice(words.as_bytes());
            (self.lost, self.open) = (0, None);
        }
        for piece in bytes
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|line| line.chunks(LONGEST))
        {
            self.begin(origin, now, &mut text);
            text.extend_from_slice(piece);
            self.open = (!piece.ends_with(b"\n")).then_some(origin);
        }
        text
    }

    /// Begins a line of `origin`, unless it is in one.
    fn begin(&mut self, origin: Origin, now: &str, text: &mut Vec<u8>) {
        if self.open == Some(origin) {
            return;
        }
        if self.open.is_some() {
            text.push(b'\n');
        }
        text.extend_from_slice(now.as_bytes());
        text.extend_from_slice(origin.mark().as_bytes());
    }

    /// So many bytes are left out; the next line that is shown says so.
    pub(crate) fn lose(&mut self, bytes: usize) {
        self.lost += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_origin_and_nothing_is_held_back() {
        let mut lines = Lines::default();
        let mut text = Vec::new();
        for (origin, bytes) in [
            (Origin::Out, "one\ntw"),
            (Origin::Out, "o"),
            (Origin::Err, "bad\n"),
            (Origin::Out, "!\n"),
            (Origin::Err, "tail"),
            (Origin::Herd, "ended\n"),
        ] {
            text.extend(lines.show(origin, bytes.as_bytes(), "T"));
        }
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "T out  | one\nT out  | two\nT err  | bad\nT out  | !\nT err  | tail\nT herd | ended\n"
        );
    }

    #[test]
    fn long_lines_are_one_line_and_losses_are_told_once() {
        let mut lines = Lines::default();
        let long = vec![b'x'; LONGEST + 5];
        let text = lines.show(Origin::Out, &long, "T");
        assert_eq!(text.len(), long.len() + "T out  | ".len());
        lines.lose(7);
        lines.lose(3);
        let text = lines.show(Origin::Out, b"y\n", "T");
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "\nT herd | 10 bytes of log were lost before this line\nT out  | y\n"
        );
        assert_eq!(lines.show(Origin::Out, b"z\n", "T"), b"T out  | z\n");
    }
}
