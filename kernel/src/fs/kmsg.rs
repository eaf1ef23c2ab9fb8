//! `/dev/kmsg`: the kernel's log, record by record (Linux's
//! `Documentation/ABI/testing/dev-kmsg`).

use crate::console::log_ring::{self, Cursor, Record};
use crate::console::{self, LEVELS};
use crate::process;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt::Write;
use paddock_abi::fcntl::{SEEK_END, SEEK_SET};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, Inode, Metadata, OpenFlags};

/// Bytes of a message that are passed on, as the log keeps them.
const MAX_TEXT: usize = 1024;

/// An opening of the log, with its own place in it.
struct KmsgFile {
    cursor: SpinLock<Cursor, PreemptOff>,
    inode: Arc<dyn Inode>,
}

/// Opens the log at its oldest message.
///
/// # Errors
/// `EPERM` for a reader without CAP_SYSLOG.
pub fn open(inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>> {
    if flags.readable()
        && let Some(caller) = process::current()
    {
        caller.with_cred(|cred| cred.require(Cap::CAP_SYSLOG))?;
    }
    let cursor = SpinLock::new(Rank::Leaf, log_ring::oldest());
    Ok(try_arc(KmsgFile {
        cursor,
        inode: inode.clone(),
    })?)
}

/// A record as it is read: `PRIORITY,NUMBER,MICROSECONDS,-;TEXT`.
fn line(record: &Record, text: &[u8]) -> Vec<u8> {
    let mut head = alloc::string::String::new();
    let micros = record.time / 1000;
    // Writing to a string does not fail.
    let _ = write!(head, "{},{},{micros},-;", record.severity, record.sequence);
    let mut line = head.into_bytes();
    line.extend(
        text.iter()
            .map(|&byte| if byte < b' ' { b' ' } else { byte }),
    );
    line.push(b'\n');
    line
}

impl Pollable for KmsgFile {
    fn ready(&self) -> Ready {
        let at = self.cursor.lock().sequence();
        let mut ready = Ready::OUT;
        ready.set(Ready::IN, at < log_ring::newest().sequence());
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(log_ring::log_queue())
    }
}

impl File for KmsgFile {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let mut text = Vec::new();
        text.try_reserve_exact(MAX_TEXT)
            .map_err(|_| Errno::ENOMEM)?;
        text.resize(MAX_TEXT, 0);
        let mut cursor = *self.cursor.lock();
        let record = log_ring::read(&mut cursor, &mut text).ok_or(Errno::EAGAIN)?;
        let line = line(&record, text.get(..record.length).unwrap_or(&text));
        if to.left() < line.len() {
            return Err(Errno::EINVAL);
        }
        if to.copy_out(&line)? < line.len() {
            return Err(Errno::EFAULT);
        }
        *self.cursor.lock() = cursor;
        Ok(line.len())
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        let length = from.left();
        from.with_bytes(MAX_TEXT, |bytes| {
            let (severity, text) = priority(bytes);
            let text = alloc::string::String::from_utf8_lossy(text);
            console::program_says(severity, format_args!("{}", text.trim_end()));
            Ok(bytes.len())
        })?;
        // What is too long is cut, and taken all the same.
        from.advance(length);
        Ok(length)
    }

    fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        let place = match (whence, offset) {
            (SEEK_SET, 0) => log_ring::oldest(),
            (SEEK_END, 0) => log_ring::newest(),
            _ => return Err(Errno::EINVAL),
        };
        *self.cursor.lock() = place;
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

/// Takes `<NUMBER>` off the start: the severity is its lowest three bits.
fn priority(text: &[u8]) -> (u8, &[u8]) {
    let default = (LEVELS.of_message(), text);
    let Some(rest) = text.strip_prefix(b"<") else {
        return default;
    };
    let Some(end) = rest.iter().position(|&byte| byte == b'>') else {
        return default;
    };
    let number = core::str::from_utf8(&rest[..end])
        .ok()
        .and_then(|digits| digits.parse::<u32>().ok());
    match number {
        None => default,
        Some(number) => ((number & 7) as u8, &rest[end + 1..]),
    }
}
