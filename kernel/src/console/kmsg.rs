//! The log as text, for syslog(2).

use super::log_ring::{self, Record};
use paddock_console::Line;

/// Bytes of a message's text that programs get.
const TEXT: usize = 400;

/// Adds the text, cut at the buffer's end, and ends the line.
fn push_text(line: &mut Line, text: &[u8], length: usize) {
    let text = text.get(..length).unwrap_or(text);
    for part in text.utf8_chunks() {
        line.format(format_args!("{}", part.valid()));
    }
    line.end();
}

/// A record as dmesg(1) shows it: "<6>[    0.001234] text".
fn format_record(record: &Record, text: &[u8]) -> Line {
    let mut line = Line::new();
    let micros = record.time / 1_000;
    line.format(format_args!(
        "<{}>[{:5}.{:06}] ",
        record.severity,
        micros / 1_000_000,
        micros % 1_000_000
    ));
    push_text(&mut line, text, record.length);
    line
}

/// Calls `visit` with each message as a line of text, oldest first.
fn each_line(mut visit: impl FnMut(&[u8])) {
    let mut text = [0; TEXT];
    let mut cursor = log_ring::oldest();
    while let Some(record) = log_ring::read(&mut cursor, &mut text) {
        visit(format_record(&record, &text).bytes());
    }
}

/// Bytes of the whole log as text: syslog(2)'s `SIZE_UNREAD`.
pub fn text_size() -> usize {
    let mut size = 0;
    each_line(|line| size += line.len());
    size
}

/// The last messages that fit into `buf`, as text, whole lines only; how many
/// bytes. This is syslog(2)'s `READ_ALL`. Never sleeps.
pub fn read_all(buf: &mut [u8]) -> usize {
    let mut left = text_size();
    let mut length = 0;
    each_line(|line| {
        let fits = left <= buf.len();
        left = left.saturating_sub(line.len());
        if fits && let Some(place) = buf.get_mut(length..length + line.len()) {
            place.copy_from_slice(line);
            length += line.len();
        }
    });
    length
}
