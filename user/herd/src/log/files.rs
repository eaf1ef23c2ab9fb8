//! The log files of all services. Few of them are open at a time: those that
//! were written to last.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::time::SystemTime;

use super::file::{LogFile, position};
use super::stamp;
use crate::config::LogLimits;
use crate::files;
use crate::paths::Paths;

pub(super) struct LogFiles {
    paths: Paths,
    /// Those that are open, and those that have lost something.
    all: HashMap<String, LogFile>,
    /// Those that are open, the one that was opened first in front.
    open: VecDeque<String>,
    most_open: usize,
    /// A descriptor for each that is not open, so that there always is one.
    spare: Vec<File>,
}

impl LogFiles {
    pub(super) fn new(paths: Paths, most_open: usize) -> LogFiles {
        let mut logs = LogFiles {
            paths,
            all: HashMap::new(),
            open: VecDeque::new(),
            most_open,
            spare: Vec::new(),
        };
        logs.fill_spare();
        logs
    }

    fn fill_spare(&mut self) {
        while self.spare.len() + self.open.len() < self.most_open
            && let Ok(file) = files::null()
        {
            self.spare.push(file);
        }
    }

    /// Appends to the log of `name`.
    ///
    /// # Errors
    /// A text for the operator, once for each time it starts to fail.
    pub(super) fn append(
        &mut self,
        name: &str,
        limits: LogLimits,
        text: &[u8],
    ) -> Result<(), String> {
        let path = self.paths.log_file(name);
        let log = self.all.remove(name);
        let mut log = log.unwrap_or_else(|| LogFile::new(path, limits));
        log.set_limits(limits);
        self.make_open(&mut log, name);
        let result = log.append(text, &stamp(SystemTime::now()));
        let result = result.map_err(|error| {
            let file = log.path().display();
            format!("{name}: its log {file} cannot be written: {error}")
        });
        if !log.is_open() {
            self.open.retain(|open| open != name);
        }
        self.keep(name.to_owned(), log);
        self.fill_spare();
        result
    }

    fn keep(&mut self, name: String, log: LogFile) {
        if log.is_open() || log.has_lost() {
            self.all.insert(name, log);
        }
    }

    /// Opens it, if it can be; if not, writing to it says why.
    fn make_open(&mut self, log: &mut LogFile, name: &str) {
        if log.is_open() {
            return;
        }
        while self.open.len() >= self.most_open {
            self.close_first();
        }
        self.spare.pop();
        self.open.push_back(name.to_owned());
    }

    fn close_first(&mut self) {
        if let Some(name) = self.open.pop_front()
            && let Some(mut log) = self.all.remove(&name)
        {
            log.close();
            self.keep(name, log);
        }
    }

    /// Inode and size of the log's file, as it is now.
    pub(super) fn position(&self, name: &str) -> (u64, u64) {
        position(&self.paths.log_file(name))
    }
}
