//! The log as text, for syslog(2).

use super::log_ring::{self, Cursor, Record};
use paddock_console::Line;
use paddock_sync::{PreemptOff, Rank, SpinLock};

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

/// What has been read by syslog(2)'s `READ`, which gives each message once.
struct Reader {
    /// `None` before the first.
    cursor: Option<Cursor>,
    /// How much of the next line has been given.
    given: usize,
}

static READER: SpinLock<Reader, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Reader {
        cursor: None,
        given: 0,
    },
);
/// What was there when the log was cleared is not shown any more.
static CLEARED: SpinLock<Option<Cursor>, PreemptOff> = SpinLock::new(Rank::Leaf, None);

/// What there is now is not shown any more: syslog(2)'s `CLEAR`. Never sleeps.
pub fn clear() {
    *CLEARED.lock() = Some(log_ring::newest());
}

/// The next lines that nobody has got by this, as many as fit, or a part of the first; how
/// many bytes: syslog(2)'s `READ`. Never sleeps.
pub fn read_new(buf: &mut [u8]) -> usize {
    let mut text = [0; TEXT];
    let mut length = 0;
    let mut reader = READER.lock();
    let mut cursor = reader.cursor.unwrap_or_else(log_ring::oldest);
    loop {
        let mut next = cursor;
        let Some(record) = log_ring::read(&mut next, &mut text) else {
            break;
        };
        let line = format_record(&record, &text);
        let rest = line.bytes().get(reader.given..).unwrap_or_default();
        let room = buf.get_mut(length..).unwrap_or_default();
        let count = rest.len().min(room.len());
        if count < rest.len() && length > 0 {
            break;
        }
        room[..count].copy_from_slice(&rest[..count]);
        length += count;
        if count < rest.len() {
            reader.given += count;
            break;
        }
        (reader.given, cursor) = (0, next);
    }
    reader.cursor = Some(cursor);
    length
}

/// Bytes that this would give: syslog(2)'s `SIZE_UNREAD`. Never sleeps.
pub fn unread() -> usize {
    let (cursor, given) = {
        let reader = READER.lock();
        (reader.cursor, reader.given)
    };
    let mut size = 0;
    let cursor = cursor.unwrap_or_else(log_ring::oldest);
    each_line_from(cursor, |line| size += line.len());
    size.saturating_sub(given)
}

/// Calls `visit` with each message that is shown as a line of text, oldest first.
fn each_line(visit: impl FnMut(&[u8])) {
    let cleared = *CLEARED.lock();
    each_line_from(cleared.unwrap_or_else(log_ring::oldest), visit);
}

fn each_line_from(mut cursor: Cursor, mut visit: impl FnMut(&[u8])) {
    let mut text = [0; TEXT];
    while let Some(record) = log_ring::read(&mut cursor, &mut text) {
        visit(format_record(&record, &text).bytes());
    }
}

/// Bytes of what is shown of the log, as text.
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
