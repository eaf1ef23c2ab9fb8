//! Service definitions: what a `NAME.conf` file says, checked on reading.
#![forbid(unsafe_code)]

mod load;
mod parse;
mod policy;
mod ready;
mod schedule;
mod service;
mod signal;
mod sockets;
mod units;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use load::{load, load_one, names};
pub use policy::{Backoff, Restart, Success};
pub use ready::{Health, Probe, Ready};
pub use schedule::{Schedule, Times};
pub(crate) use service::Shared;
pub use service::{Keys, Kind, LogLimits, Reload, Service};
pub use signal::Signal;
pub(crate) use sockets::FIRST as FIRST_SOCKET;
pub use sockets::{Listen, Socket};
pub use units::{Millis, Size};
pub use values::{Command, Mask, Names};

/// Something that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line of the mistake, counted from 1, if it is known.
    pub line: Option<usize>,
    /// What is wrong, in one line.
    pub message: String,
}

/// Why a definition cannot be used: all that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file that was read.
    pub file: PathBuf,
    /// What is wrong there, in the order of the lines.
    pub mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// One mistake, of the file as a whole.
    pub fn new(file: &Path, message: impl Into<String>) -> ConfigError {
        let message = message.into();
        ConfigError {
            file: file.to_owned(),
            mistakes: vec![Mistake {
                line: None,
                message,
            }],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.mistakes.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = mistake.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {}", mistake.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A definition by name, as found on the disk.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The service's name: the file's name without `.conf`.
    pub name: String,
    /// Whether it is linked in the `enabled` folder.
    pub enabled: bool,
    /// The definition, or what is wrong with it.
    pub definition: Result<Arc<Service>, ConfigError>,
}

/// Whether `name` may name a service: letters, digits, `_`, `-` and `.`, and one `@`
/// between a template and the name of an instance, beginning with a letter or digit, at most 64 bytes.
pub fn valid_name(name: &str) -> bool {
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    let is_whole = match name.split_once('@') {
        Some((_, instance)) => !instance.is_empty() && !instance.contains('@'),
        None => true,
    };
    name.len() <= 64
        && is_whole
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(usable)
}
