//! The logs of all services. Few of them are open at a time: those that were
//! written to last.

use std::collections::{HashMap, VecDeque};

use super::reserve::Reserve;
use crate::config::LogLimits;
use crate::log::ServiceLog;
use crate::paths::Paths;
use crate::sys;

/// Log files that are open at once.
const MOST_OPEN: usize = 64;

#[derive(Default)]
pub(super) struct Logs {
    all: HashMap<String, ServiceLog>,
    /// Those that may be open, the one that was opened first in front.
    open: VecDeque<String>,
}

impl Logs {
    /// The log of `name`, open if it can be; if not, writing to it says why.
    pub(super) fn open(
        &mut self,
        name: &str,
        paths: &Paths,
        limits: impl FnOnce() -> Option<LogLimits>,
        reserve: &mut Reserve,
    ) -> &mut ServiceLog {
        if !self.all.get(name).is_some_and(ServiceLog::is_open) {
            self.open.retain(|open| open != name);
            while self.open.len() >= MOST_OPEN {
                self.close_first();
            }
        }
        let (all, open) = (&mut self.all, &mut self.open);
        let mut log = all
            .remove(name)
            .unwrap_or_else(|| ServiceLog::new(paths.log_file(name), limits().unwrap_or_default()));
        if !log.is_open() {
            while log
                .make_open()
                .is_err_and(|error| sys::is_out_of_files(&error))
            {
                match open.pop_front() {
                    Some(other) => {
                        all.get_mut(&other).map(ServiceLog::close);
                    }
                    None => {
                        reserve.lend_for_a_moment();
                        break;
                    }
                }
            }
            open.push_back(name.to_owned());
        }
        all.entry(name.to_owned()).or_insert(log)
    }

    fn close_first(&mut self) {
        if let Some(name) = self.open.pop_front()
            && let Some(log) = self.all.get_mut(&name)
        {
            log.close();
        }
    }

    /// Gives all descriptors back.
    pub(super) fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.close_first();
        }
    }

    pub(super) fn set_limits(&mut self, limits: impl Fn(&str) -> Option<LogLimits>) {
        for (name, log) in &mut self.all {
            if let Some(limits) = limits(name) {
                log.set_limits(limits);
            }
        }
    }
}
