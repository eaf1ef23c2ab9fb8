//! One service's log file.
//!
//! Output is written as it comes, without waiting for the end of a line: a
//! line that is interrupted by another origin is broken there. So nothing is
//! held back that could be lost.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::stamp;
use crate::config::LogLimits;
use crate::files;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Out,
    Err,
    Herd,
}

impl Origin {
    fn word(self) -> &'static str {
        match self {
            Origin::Out => "out",
            Origin::Err => "err",
            Origin::Herd => "herd",
        }
    }
}

/// Longer lines are broken, so that a file can be turned over in time.
const LONGEST: usize = 4096;

#[derive(Debug)]
pub(crate) struct ServiceLog {
    path: PathBuf,
    limits: LogLimits,
    file: Option<File>,
    size: u64,
    /// Whose line has not ended yet.
    open_line: Option<Origin>,
    /// Bytes that could not be written since the last that could.
    lost: u64,
}

impl ServiceLog {
    /// A log at `path`; the file is opened when there is something to write.
    pub(crate) fn new(path: PathBuf, limits: LogLimits) -> Self {
        ServiceLog {
            path,
            limits,
            file: None,
            size: 0,
            open_line: None,
            lost: 0,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Opens the file if it is not open.
    ///
    /// # Errors
    /// Those of the disk, and EMFILE.
    pub(crate) fn make_open(&mut self) -> io::Result<()> {
        match self.file {
            Some(_) => Ok(()),
            None => self.open(),
        }
    }

    /// Gives its descriptor back until there is more to write.
    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn set_limits(&mut self, limits: LogLimits) {
        self.limits = limits;
    }

    /// Appends what `origin` wrote and gives back the text as it stands in
    /// the log. The text is given back even if the disk refuses it.
    ///
    /// # Errors
    /// Those of the disk, once for each time it starts to refuse.
    pub(crate) fn append(&mut self, origin: Origin, bytes: &[u8]) -> (Vec<u8>, io::Result<()>) {
        let now = stamp(SystemTime::now());
        let mut shown = Vec::with_capacity(bytes.len() + 64);
        let mut result = Ok(());
        for piece in bytes
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|line| line.chunks(LONGEST))
        {
            let text = self.render(origin, piece, &now);
            if let Err(error) = self.write(&text, &now) {
                result = Err(error);
            }
            shown.extend_from_slice(&text);
        }
        (shown, result)
    }

    fn render(&mut self, origin: Origin, piece: &[u8], now: &str) -> Vec<u8> {
        let mut text = Vec::with_capacity(piece.len() + 40);
        if self.open_line != Some(origin) {
            if self.open_line.is_some() {
                text.push(b'\n');
            }
            text.extend_from_slice(format!("{now} {:<4} | ", origin.word()).as_bytes());
        }
        text.extend_from_slice(piece);
        self.open_line = (!piece.ends_with(b"\n")).then_some(origin);
        text
    }

    fn write(&mut self, text: &[u8], now: &str) -> io::Result<()> {
        match self.try_write(text, now) {
            Ok(()) => Ok(()),
            Err(error) => {
                let first = self.lost == 0;
                self.lost += text.len() as u64;
                self.file = None;
                if first { Err(error) } else { Ok(()) }
            }
        }
    }

    fn try_write(&mut self, text: &[u8], now: &str) -> io::Result<()> {
        if self.file.is_none() {
            self.open()?;
        }
        if self.size + text.len() as u64 > self.limits.max_size.0 && self.size > 0 {
            self.turn_over()?;
        }
        if self.lost > 0 {
            let lost = self.lost;
            let line = format!("{now} herd | {lost} bytes of log were lost before this line\n");
            self.put(line.as_bytes())?;
            self.lost = 0;
        }
        self.put(text)
    }

    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.write_all(text)?;
        self.size += text.len() as u64;
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = files::append(&self.path)?;
        self.size = file.metadata()?.size();
        self.file = Some(file);
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

/// Inode and size of a log file: where the next byte will go. Zeros if there
/// is none yet.
pub(crate) fn position(path: &Path) -> (u64, u64) {
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
    fn log(test: &str, keep: u8) -> (ServiceLog, PathBuf) {
        let folder = std::env::temp_dir().join(format!("herd-log-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let limits = LogLimits {
            max_size: Size(16 << 10),
            keep,
        };
        (ServiceLog::new(folder.join("x.log"), limits), folder)
    }

    fn without_times(text: &str) -> String {
        let line = |line: &str| {
            line.split_once(' ')
                .map_or(String::new(), |l| l.1.to_owned())
        };
        text.lines().map(|l| line(l) + "\n").collect()
    }

    #[test]
    fn lines_have_their_origin_and_nothing_is_held_back() {
        let (mut log, folder) = log("origin", 1);
        for (origin, text) in [
            (Origin::Out, "one\ntw"),
            (Origin::Out, "o"),
            (Origin::Err, "bad\n"),
            (Origin::Out, "!\n"),
            (Origin::Err, "tail"),
            (Origin::Herd, "ended\n"),
        ] {
            log.append(origin, text.as_bytes()).1.unwrap();
        }
        let text = fs::read_to_string(folder.join("x.log")).unwrap();
        assert_eq!(
            without_times(&text),
            "out  | one\nout  | two\nerr  | bad\nout  | !\nerr  | tail\nherd | ended\n"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_are_turned_over_and_never_too_long() {
        let (mut log, folder) = log("turn", 2);
        for n in 0..2_000 {
            log.append(Origin::Out, format!("line {n}\n").as_bytes())
                .1
                .unwrap();
        }
        log.append(Origin::Out, &vec![b'x'; 40_000]).1.unwrap();
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .inspect(|entry| assert!(entry.metadata().unwrap().len() <= 16 << 10))
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["x.log", "x.log.1", "x.log.2"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_refusing_disk_is_told_once_and_the_loss_is_counted() {
        let (mut log, folder) = log("refuse", 1);
        fs::write(&folder, "a file where the folder should be").unwrap();
        assert!(log.append(Origin::Out, b"one\n").1.is_err());
        assert!(log.append(Origin::Out, b"two\n").1.is_ok());
        fs::remove_file(&folder).unwrap();
        log.append(Origin::Out, b"three\n").1.unwrap();
        let text = fs::read_to_string(folder.join("x.log")).unwrap();
        assert!(text.contains("bytes of log were lost"), "{text}");
        assert!(text.ends_with("three\n"));
        fs::remove_dir_all(folder).unwrap();
    }
}
