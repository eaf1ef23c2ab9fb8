//! The log for programs: `/dev/kmsg` and the text of syslog(2).

use super::log_ring::{self, Cursor, Record};
use alloc::sync::Arc;
use core::any::Any;
use log::Level;
use paddock_abi::{Errno, Result};
use paddock_console::Line;
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_vfs::dev_fs::Device;
use paddock_vfs::{File, Inode, Metadata, OpenFlags};

/// Bytes of a message's text that programs get.
const TEXT: usize = 400;

/// The device node `/dev/kmsg` (character device 1, 11).
#[derive(Debug)]
pub struct Kmsg;

impl Device for Kmsg {
    fn open(&self, inode: &Arc<dyn Inode>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        let file: Arc<dyn File> = try_arc(KmsgFile {
            inode: inode.clone(),
            cursor: SpinLock::new(Rank::Leaf, log_ring::oldest()),
        })?;
        Ok(file)
    }
}

struct KmsgFile {
    inode: Arc<dyn Inode>,
    cursor: SpinLock<Cursor, PreemptOff>,
}

impl Pollable for KmsgFile {
    fn ready(&self) -> Ready {
        let cursor = *self.cursor.lock();
        if log_ring::has_more(&cursor) {
            Ready::IN | Ready::OUT
        } else {
            Ready::OUT
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(log_ring::log_queue())
    }
}

impl File for KmsgFile {
    /// One record a call, as "severity,number,microseconds,-;text". `EAGAIN`
    /// if there is none yet, `EPIPE` after records were lost, `EINVAL` if
    /// `buf` is too small.
    fn read(&self, _pos: &mut u64, buf: &mut [u8]) -> Result<usize> {
        let mut text = [0; TEXT];
        let mut guard = self.cursor.lock();
        let expected = guard.sequence();
        let mut cursor = *guard;
        let record = log_ring::read(&mut cursor, &mut text).ok_or(Errno::EAGAIN)?;
        if record.sequence != expected {
            *guard = log_ring::oldest();
            return Err(Errno::EPIPE);
        }
        let mut line = Line::new();
        let Record {
            sequence,
            severity,
            time,
            ..
        } = record;
        line.format(format_args!("{severity},{sequence},{},-;", time / 1_000));
        push_text(&mut line, &text, record.length);
        let bytes = line.bytes();
        let place = buf.get_mut(..bytes.len()).ok_or(Errno::EINVAL)?;
        place.copy_from_slice(bytes);
        *guard = cursor;
        Ok(bytes.len())
    }

    /// A line for the log, with its severity as "<3>" in front if it has one.
    fn write(&self, _pos: &mut u64, buf: &[u8]) -> Result<usize> {
        let text = buf.get(..TEXT).unwrap_or(buf);
        let (level, text) = parse_severity(text);
        log::log!(level, "{}", text.escape_ascii());
        Ok(buf.len())
    }

    fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        const SEEK_SET: u32 = 0;
        const SEEK_END: u32 = 2;
        *self.cursor.lock() = match (offset, whence) {
            (0, SEEK_SET) => log_ring::oldest(),
            (0, SEEK_END) => log_ring::newest(),
            _ => return Err(Errno::EINVAL),
        };
        Ok(0)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Adds the text, cut at the buffer's end, and ends the line.
fn push_text(line: &mut Line, text: &[u8], length: usize) {
    let text = text.get(..length).unwrap_or(text);
    for part in text.utf8_chunks() {
        line.format(format_args!("{}", part.valid()));
    }
    line.end();
}

fn parse_severity(text: &[u8]) -> (Level, &[u8]) {
    let text = text.trim_ascii_end();
    let Some(rest) = text.strip_prefix(b"<") else {
        return (Level::Info, text);
    };
    let end = rest.iter().position(|&byte| byte == b'>');
    let number: Option<u32> =
        end.and_then(|end| core::str::from_utf8(rest.get(..end)?).ok()?.parse().ok());
    let (Some(end), Some(number)) = (end, number) else {
        return (Level::Info, text);
    };
    let level = match number & 7 {
        0..=3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        _ => Level::Debug,
    };
    (level, rest.get(end + 1..).unwrap_or(&[]))
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
