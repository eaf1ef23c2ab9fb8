//! What a machine has written to its disk, in order, as QEMU's `blklogwrites` records it
//! (Linux, Documentation/admin-guide/device-mapper/log-writes): each write and flush, and
//! the disk as it would be had the power gone in between.

use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Of the disk and of the log, in bytes.
pub const SECTOR: u64 = 512;
const MAGIC: u64 = 0x6a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Bytes written at `at` of the disk; they are at `from` of the log.
    Write {
        /// Where on the disk.
        at: u64,
        /// Where in the log.
        from: u64,
        /// How many.
        len: u64,
    },
    /// All that was written before is on the disk.
    Flush,
    /// What was there is of no use any more.
    Discard,
}

/// One request, and where it ends in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub what: What,
    /// The log's length when it was complete, in bytes.
    pub end: u64,
}

/// A recorded log.
#[derive(Debug)]
pub struct WriteLog {
    file: File,
    /// All requests, in order.
    pub events: Vec<Event>,
}

impl WriteLog {
    /// Reads a log.
    ///
    /// # Errors
    /// A file that is none.
    pub fn read(path: &Path) -> Result<WriteLog> {
        let file = File::open(path).with_context(|| format!("no log {}", path.display()))?;
        let length = fs::metadata(path)?.len();
        let [magic, _, _, size] = words(&file, 0)?;
        let sector = u64::from(size as u32);
        ensure!(
            magic == MAGIC && sector == SECTOR,
            "{} is no log of writes",
            path.display()
        );
        let (mut at, mut events) = (SECTOR, Vec::new());
        while at + SECTOR <= length {
            let [first, count, flags, _] = words(&file, at)?;
            let from = at + SECTOR;
            let len = if flags & DISCARD == 0 {
                count * SECTOR
            } else {
                0
            };
            let end = from + len;
            // The last one may not have been written to its end.
            if (count == 0 && flags == 0) || end > length {
                break;
            }
            if flags & DISCARD != 0 {
                let what = What::Discard;
                events.push(Event { what, end });
            } else if count > 0 {
                let at = first * SECTOR;
                let what = What::Write { at, from, len };
                events.push(Event { what, end });
            }
            if flags & FLUSH != 0 {
                let what = What::Flush;
                events.push(Event { what, end });
            }
            at = end;
        }
        Ok(WriteLog { file, events })
    }

    /// How many requests were complete when the log had this length.
    #[must_use]
    pub fn count_at(&self, length: u64) -> usize {
        self.events.partition_point(|event| event.end <= length)
    }

    /// Does one request to an image, the sectors of it that are `kept`.
    ///
    /// # Errors
    /// An image or a log that cannot be used.
    pub fn apply(&self, event: &Event, image: &File, mut kept: impl FnMut() -> bool) -> Result<()> {
        let What::Write { at, from, len } = event.what else {
            return Ok(());
        };
        let mut data = vec![0; len as usize];
        self.file.read_exact_at(&mut data, from)?;
        for (index, sector) in data.chunks(SECTOR as usize).enumerate() {
            if kept() {
                image.write_all_at(sector, at + index as u64 * SECTOR)?;
            }
        }
        Ok(())
    }
}

fn words(file: &File, at: u64) -> Result<[u64; 4]> {
    let mut bytes = [0; 32];
    file.read_exact_at(&mut bytes, at)?;
    let word = |index: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
        u64::from_le_bytes(word)
    };
    Ok([word(0), word(1), word(2), word(3)])
}

/// How QEMU is told to record what goes to a disk: its options, before those of the card,
/// whose drive is `logged`.
#[must_use]
pub fn options(disk: &Path, log: &Path) -> Vec<String> {
    let shown = |path: &Path| path.display().to_string().replace(',', ",,");
    let node = |text: String| ["-blockdev".to_owned(), text];
    [
        node(format!(
            "driver=file,node-name=disk-file,filename={}",
            shown(disk)
        )),
        node("driver=raw,node-name=disk,file=disk-file".to_owned()),
        node(format!("driver=file,node-name=log,filename={}", shown(log))),
        node(format!(
            "driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size={SECTOR}"
        )),
    ]
    .concat()
}

/// A new log.
///
/// # Errors
/// A folder that cannot be written.
pub fn create(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("writes.log");
    File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn entry(log: &mut Vec<u8>, sector: u64, data: &[u8], flags: u64) {
        let mut header = vec![0; SECTOR as usize];
        let words = [sector, data.len() as u64 / SECTOR, flags, 0];
        for (place, word) in header.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        log.extend(header);
        log.extend(data);
    }

    #[test]
    fn a_log_is_read_and_done_again() {
        let folder = std::env::temp_dir().join(format!("write-log-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut log = Vec::new();
        entry(&mut log, MAGIC, &[], 0);
        log[8..16].copy_from_slice(&1_u64.to_le_bytes());
        log[24..28].copy_from_slice(&512_u32.to_le_bytes());
        entry(&mut log, 1, &[7; 1024], 0);
        entry(&mut log, 0, &[], FLUSH);
        entry(&mut log, 2, &[9; 512], FLUSH);
        let whole = log.len() as u64;
        // One that was cut off.
        entry(&mut log, 5, &[1; 512], 0);
        log.truncate(log.len() - 100);
        let path = create(&folder).unwrap();
        File::create(&path).unwrap().write_all(&log).unwrap();
        let read = WriteLog::read(&path).unwrap();
        let kinds: Vec<bool> = read
            .events
            .iter()
            .map(|event| event.what == What::Flush)
            .collect();
        assert_eq!(kinds, [false, true, false, true]);
        assert_eq!(read.count_at(whole), 4);
        assert_eq!(read.count_at(512), 0);
        let image = folder.join("image");
        let disk = File::create_new(&image).unwrap();
        disk.set_len(4096).unwrap();
        for event in &read.events {
            read.apply(event, &disk, || true).unwrap();
        }
        let bytes = fs::read(&image).unwrap();
        assert!(bytes[512..1024].iter().all(|&byte| byte == 7));
        assert!(bytes[1024..1536].iter().all(|&byte| byte == 9));
        fs::remove_dir_all(&folder).unwrap();
    }
}
