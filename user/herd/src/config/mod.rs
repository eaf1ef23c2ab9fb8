//! Service definitions: what a `NAME.conf` file says, checked on reading.
#![forbid(unsafe_code)]

mod load;
mod units;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::near::did_you_mean;

pub(crate) use load::{load, load_one};
pub use units::{Millis, Size};
pub use values::{Command, Names, Restart, Signal};

/// One service as it is to be run, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The program and its arguments.
    pub command: Command,
    /// Variables added to the small environment that herd gives a service.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The folder the program starts in.
    #[serde(default = "root_folder")]
    pub cwd: PathBuf,
    /// User name or number to run as; herd's own user if absent.
    #[serde(default)]
    pub user: Option<String>,
    /// When to start it again after it ended by itself.
    #[serde(default)]
    pub restart: Restart,
    /// Wait before a restart that is not at once; doubled for each in a row.
    #[serde(default = "restart_delay")]
    pub restart_delay: Millis,
    /// The longest wait between restarts.
    #[serde(default = "restart_delay_max")]
    pub restart_delay_max: Millis,
    /// A run of at least this length makes the next restart the first again.
    #[serde(default = "healthy_after")]
    pub healthy_after: Millis,
    /// Signal that asks the service to stop.
    #[serde(default)]
    pub stop_signal: Signal,
    /// How long it may take to stop before it is killed.
    #[serde(default = "stop_timeout")]
    pub stop_timeout: Millis,
    /// Services that are started before this one, if they are to run at all.
    #[serde(default)]
    pub after: Names,
    /// Limits of the log.
    #[serde(default)]
    pub log: LogLimits,
}

/// How much log is kept for one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogLimits {
    /// No log file grows beyond this many bytes.
    pub max_size: Size,
    /// How many full log files (`NAME.log.1` and on) are kept.
    pub keep: u8,
}

impl Default for LogLimits {
    fn default() -> Self {
        LogLimits {
            max_size: Size(1 << 20),
            keep: 4,
        }
    }
}

fn root_folder() -> PathBuf {
    PathBuf::from("/")
}

fn restart_delay() -> Millis {
    Millis(100)
}

fn restart_delay_max() -> Millis {
    Millis(60_000)
}

fn healthy_after() -> Millis {
    Millis(60_000)
}

fn stop_timeout() -> Millis {
    Millis(5_000)
}

/// Why a definition cannot be used: the file, the line if it is known, and
/// what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file that was read.
    pub file: PathBuf,
    /// The line of the mistake, counted from 1.
    pub line: Option<usize>,
    /// What is wrong, in one line.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
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
    pub definition: Result<Service, ConfigError>,
}

impl Service {
    /// Reads a definition from the text of `file`.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the first mistake.
    pub fn parse(file: &Path, text: &str) -> Result<Service, ConfigError> {
        let service: Service = toml::from_str(text).map_err(|error| ConfigError {
            file: file.to_owned(),
            line: error.span().map(|span| line_of(text, span.start)),
            message: explain(error.message()),
        })?;
        service.check().map_err(|message| ConfigError {
            file: file.to_owned(),
            line: None,
            message,
        })?;
        Ok(service)
    }

    /// A definition for an instance that runs and has none any more.
    pub(crate) fn gone() -> Service {
        Service {
            command: Command(vec!["gone".to_owned()]),
            env: BTreeMap::new(),
            cwd: root_folder(),
            user: None,
            restart: Restart::Never,
            restart_delay: restart_delay(),
            restart_delay_max: restart_delay_max(),
            healthy_after: healthy_after(),
            stop_signal: Signal::TERM,
            stop_timeout: stop_timeout(),
            after: Names::default(),
            log: LogLimits::default(),
        }
    }

    /// Rules that join several keys, or that the types do not carry.
    fn check(&self) -> Result<(), String> {
        for (key, value) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                return Err(format!("env: {key:?} is not a usable variable"));
            }
        }
        if !self.cwd.is_absolute() {
            return Err(format!("cwd: {:?} is not an absolute path", self.cwd));
        }
        if self.restart_delay > self.restart_delay_max {
            return Err("restart_delay is longer than restart_delay_max".to_owned());
        }
        Ok(())
    }
}

/// The message in one line. Where it lists what may stand there, the near one
/// is named.
fn explain(message: &str) -> String {
    let line = message.trim().replace('\n', "; ");
    // "unknown field `X`, expected one of `A`, `B`": the wrong word, then all
    // that are right.
    let mut words = line.split('`').skip(1).step_by(2);
    let near = match words.next() {
        Some(word) if line.starts_with("unknown ") => did_you_mean(word, words),
        _ => String::new(),
    };
    line + &near
}

fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    text.as_bytes()[..end]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// Whether `name` may name a service: letters, digits, `_`, `-` and `.`,
/// beginning with a letter or digit, at most 64 bytes.
pub fn valid_name(name: &str) -> bool {
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(usable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Service, ConfigError> {
        Service::parse(Path::new("x.conf"), text)
    }

    #[test]
    fn a_command_is_enough() {
        let service = parse("command = 'httpd -f -h \"/srv/my www\"'").unwrap();
        assert_eq!(service.command.0, ["httpd", "-f", "-h", "/srv/my www"]);
        assert_eq!(service.restart, Restart::Always);
        assert_eq!(service.stop_signal, Signal::TERM);
    }

    #[test]
    fn every_key_is_read() {
        let text = "command = ['a', 'b c']\ncwd = '/tmp'\nuser = 'www'\nrestart = 'on-failure'\n\
            restart_delay = '50ms'\nrestart_delay_max = '2s'\nhealthy_after = 300\n\
            stop_signal = 'SIGINT'\nstop_timeout = '1m'\nafter = ['net']\n\
            [env]\nA = 'b'\n[log]\nmax_size = '64K'\nkeep = 2\n";
        let service = parse(text).unwrap();
        assert_eq!(service.command.0, ["a", "b c"]);
        assert_eq!(service.healthy_after, Millis(300));
        assert_eq!(service.stop_timeout, Millis(60_000));
        assert_eq!(service.log.max_size, Size(64 << 10));
        assert_eq!(service.after.0, ["net"]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, line, word) in [
            (
                "command = 'a'\nrestart = 'allways'\n",
                2,
                "did you mean \"always\"?",
            ),
            ("command = 'a'\n\nstop_timeout = '5x'\n", 3, "5x"),
            ("command = 'a'\nstop_signal = 'NOPE'\n", 2, "NOPE"),
            (
                "command = 'a'\ncomand = 'b'\n",
                2,
                "did you mean \"command\"?",
            ),
            ("command = ''\n", 1, "empty"),
            ("command = 'a \"b'\n", 1, "quote"),
            ("command = 'a'\n[log]\nmax_size = '1K'\n", 3, "16K"),
            ("command = 'a'\nafter = ['../x']\n", 2, "../x"),
            ("command = 'a'\nenv = [", 2, ""),
            ("command = \"a", 1, ""),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text:?}: {error}");
            assert!(error.message.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn rules_across_keys_are_checked() {
        assert!(parse("command = 'a'\ncwd = 'x'").is_err());
        assert!(parse("command = 'a'\nrestart_delay = '2m'").is_err());
        assert!(parse("command = 'a'\n[env]\n'A=B' = 'x'").is_err());
    }

    #[test]
    fn names_are_plain() {
        assert!(valid_name("web-1.a_b"));
        for bad in ["", ".x", "-x", "a/b", "a b", "\u{e9}", &"x".repeat(65)] {
            assert!(!valid_name(bad), "{bad:?}");
        }
    }
}
