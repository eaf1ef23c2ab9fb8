//! One service's log file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::LogLimits;
use crate::files;

/// How often it is looked whether an open file is still at its path.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    limits: LogLimits,
    file: Option<File>,
    size: u64,
    /// When it was last made sure that the open file is the one at the path.
    looked: Instant,
    /// Bytes that could not be written since the last that could.
    lost: u64,
}

impl LogFile {
    /// A log at `path`; the file is opened when there is something to write.
    pub(super) fn new(path: PathBuf, limits: LogLimits) -> Self {
        LogFile {
            path,
            limits,
            file: None,
            size: 0,
            looked: Instant::now(),
            lost: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether there is something to say about it later.
    pub(super) fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Gives its descriptor back until there is more to write.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn set_limits(&mut self, limits: LogLimits) {
        self.limits = limits;
    }

    /// Appends whole or begun lines; `now` is the time of what is said about
    /// those that were lost.
    ///
    /// # Errors
    /// Those of the disk, once for each time it starts to refuse.
    pub(super) fn append(&mut self, text: &[u8], now: &str) -> io::Result<()> {
        let first = self.lost == 0;
        let mut rest = text;
        match self.try_append(&mut rest, now) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.lost += rest.len() as u64;
                self.file = None;
                if first { Err(error) } else { Ok(()) }
            }
        }
    }

    /// What is left in `rest` was not written.
    fn try_append(&mut self, rest: &mut &[u8], now: &str) -> io::Result<()> {
        self.leave_if_gone();
        if self.file.is_none() {
            self.open()?;
        }
        if self.lost > 0 {
            let lost = self.lost;
            let line = format!("{now} herd | {lost} bytes of log were lost before this line\n");
            self.put(&mut line.as_bytes())?;
            self.lost = 0;
        }
        self.put(rest)
    }

    /// Closes a file that somebody has taken away: what is written there nobody reads.
    fn leave_if_gone(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        let there = fs::symlink_metadata(&self.path).ok();
        if open.map(identity) != there.map(identity) {
            self.file = None;
        }
    }

    /// Writes as much to each file as it may have, whole lines if it can be.
    fn put(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let room = self.limits.max_size.0.saturating_sub(self.size);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let count = fitting(rest, room, self.size == 0);
            let (now, later) = rest.split_at(count);
            let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
            file.write_all(now)?;
            self.size += count as u64;
            *rest = later;
            if !rest.is_empty() {
                self.turn_over()?;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = files::append(&self.path)?;
        self.size = file.metadata()?.size();
        self.file = Some(file);
        self.looked = Instant::now();
        Ok(())
    }

    /// Renames `NAME.log` to `NAME.log.1` and so on, forgetting the oldest.
    fn turn_over(&mut self) -> io::Result<()> {
        self.file = None;
        let keep = u32::from(self.limits.keep);
        for n in (0..keep).rev() {
            match fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if keep == 0 {
            fs::remove_file(&self.path)?;
        }
        self.open()
    }
}

/// How much of `text` goes into a file with so much room: up to the end of a
/// line, or all that fits if the file has nothing else.
fn fitting(text: &[u8], room: usize, is_empty: bool) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let fits = text.get(..room).unwrap_or_default();
    match fits.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if is_empty => room.max(1),
        None => 0,
    }
}

/// Inode and size of a log file: where the next byte will go. Zeros if there
/// is none yet.
pub(super) fn position(path: &Path) -> (u64, u64) {
    match fs::metadata(path) {
        Ok(data) => (data.ino(), data.size()),
        Err(_) => (0, 0),
    }
}

/// `path` itself for 0, else `path.N`.
pub(crate) fn numbered(path: &Path, n: u32) -> PathBuf {
    if n == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;

    /// A log in a new folder, and that folder.
    fn log(test: &str, keep: u8) -> (LogFile, PathBuf) {
        let folder = std::env::temp_dir().join(format!("herd-log-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let limits = LogLimits {
            max_size: Size(16 << 10),
            keep,
            rate: None,
        };
        (LogFile::new(folder.join("x.log"), limits), folder)
    }

    #[test]
    fn files_are_turned_over_between_lines_and_never_too_long() {
        let (mut log, folder) = log("turn", 2);
        let lines: String = (0..2_000).map(|n| format!("line {n}\n")).collect();
        let lines = lines + &"x".repeat(40_000) + "\n";
        for piece in lines.as_bytes().chunks(7_001) {
            log.append(piece, "T").unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .inspect(|entry| assert!(entry.metadata().unwrap().len() <= 16 << 10))
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["x.log", "x.log.1", "x.log.2"]);
        let (mut log, second) = self::log("lines", 2);
        let lines: String = (0..4_000).map(|n| format!("line {n:04}\n")).collect();
        log.append(lines.as_bytes(), "T").unwrap();
        for name in ["x.log", "x.log.1"] {
            let text = fs::read_to_string(second.join(name)).unwrap();
            assert!(text.starts_with("line ") && text.ends_with('\n'), "{name}");
        }
        fs::remove_dir_all(folder).unwrap();
        fs::remove_dir_all(second).unwrap();
    }

    #[test]
    fn a_refusing_disk_is_told_once_and_the_loss_is_counted() {
        let (mut log, folder) = log("refuse", 1);
        fs::write(&folder, "a file where the folder should be").unwrap();
        assert!(log.append(b"one\n", "T").is_err());
        assert!(log.append(b"two\n", "T").is_ok());
        fs::remove_file(&folder).unwrap();
        log.append(b"three\n", "T").unwrap();
        let text = fs::read_to_string(folder.join("x.log")).unwrap();
        assert_eq!(
            text,
            "T herd | 8 bytes of log were lost before this line\nthree\n"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_was_taken_away_is_made_anew() {
        let folder = std::env::temp_dir().join(format!("herd-gone-{}", std::process::id()));
        let path = folder.join("x.log");
        let mut log = LogFile::new(path.clone(), LogLimits::default());
        log.append(b"one\n", "T").unwrap();
        fs::remove_dir_all(&folder).unwrap();
        std::thread::sleep(LOOK);
        log.append(b"two\n", "T").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        fs::remove_dir_all(folder).unwrap();
    }
}
