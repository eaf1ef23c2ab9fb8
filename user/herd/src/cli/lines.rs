//! Lines of a log, taken apart.

use serde::Serialize;

/// One line. Text that is not UTF-8 is shown with U+FFFD in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) service: String,
    /// As of RFC 3339; empty before the first line that has one.
    pub(super) time: String,
    /// `out`, `err` or `herd`.
    pub(super) origin: String,
    pub(super) text: String,
}

impl Line {
    /// The line as it stands in the log of `service`. One without a time (the
    /// rest of one whose beginning is in a lost file) has that of `before`.
    fn read(service: &str, line: &[u8], before: Option<&Line>) -> Line {
        let line = String::from_utf8_lossy(line);
        let head = line.split_once("| ").and_then(|(head, text)| {
            let mut words = head.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some(time), Some(origin), None) => Some((time, origin, text)),
                _ => None,
            }
        });
        let (time, origin, text) = head.unwrap_or_else(|| {
            let (time, origin) = before.map_or(("", "herd"), |it| (&it.time, &it.origin));
            (time, origin, &line)
        });
        Line {
            service: service.to_owned(),
            time: time.to_owned(),
            origin: origin.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The line among those of other services, whose names are `width` long.
    pub(super) fn with_service(&self, width: usize) -> String {
        format!(
            "{} {:<width$} {:<4} | {}\n",
            self.time, self.service, self.origin, self.text
        )
    }

    /// One JSON object on one line.
    pub(super) fn to_json(&self) -> String {
        // The type has nothing that JSON cannot say.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// All lines of `text`.
pub(super) fn parse(service: &str, text: &[u8]) -> Vec<Line> {
    parse_after(service, text, None)
}

/// All lines of `text`, which comes after the line `before`.
fn parse_after(service: &str, text: &[u8], before: Option<&Line>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        lines.push(Line::read(service, line, lines.last().or(before)));
    }
    lines
}

/// How a log is shown as it comes.
pub(super) enum Form {
    AsItIs,
    /// An object for each line, once that is complete.
    Json {
        service: String,
        rest: Vec<u8>,
        last: Option<Line>,
    },
}

impl Form {
    pub(super) fn new(service: &str, json: bool) -> Form {
        match json {
            false => Form::AsItIs,
            true => Form::Json {
                service: service.to_owned(),
                rest: Vec::new(),
                last: None,
            },
        }
    }

    /// What is to be shown for `bytes`.
    pub(super) fn show(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Form::Json {
            service,
            rest,
            last,
        } = self
        else {
            return bytes.to_vec();
        };
        rest.extend_from_slice(bytes);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let open = rest.split_off(end + 1);
        let whole = std::mem::replace(rest, open);
        let lines = parse_after(service, &whole, last.as_ref());
        let text: String = lines.iter().map(Line::to_json).collect();
        *last = lines.into_iter().last();
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "T1 herd | started, pid 2\nT2 out  | a | b\nrest\nT3 err  | \n";

    #[test]
    fn lines_are_taken_apart() {
        let lines = parse("web", LOG.as_bytes());
        let parts: Vec<[&str; 3]> = lines
            .iter()
            .map(|line| [&line.time, &line.origin, &line.text].map(String::as_str))
            .collect();
        assert_eq!(
            parts,
            [
                ["T1", "herd", "started, pid 2"],
                ["T2", "out", "a | b"],
                ["T2", "out", "rest"],
                ["T3", "err", ""],
            ]
        );
        assert!(parse("web", b"").is_empty());
        assert_eq!(
            lines.first().unwrap().with_service(4),
            "T1 web  herd | started, pid 2\n"
        );
    }

    #[test]
    fn a_log_in_pieces_gives_the_same_objects() {
        let whole = Form::new("web", true).show(LOG.as_bytes());
        for size in 1..LOG.len() {
            let mut form = Form::new("web", true);
            let pieces = LOG.as_bytes().chunks(size);
            let shown: Vec<u8> = pieces.flat_map(|piece| form.show(piece)).collect();
            assert_eq!(shown, whole, "{size}");
        }
        assert_eq!(whole.iter().filter(|byte| **byte == b'\n').count(), 4);
    }
}
