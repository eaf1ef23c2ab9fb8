//! The `log` crate's messages: into the log ring, and onto the console if
//! their level is wanted there.

use super::{log_ring, output};
use crate::machine::LogLevel;
use log::{Level, LevelFilter, Log, Metadata, Record};
use paddock_console::{ConsoleLevels, Line};
use paddock_sync::platform;

struct Logger;

static LOGGER: Logger = Logger;
/// What goes to the console.
pub static LEVELS: ConsoleLevels = ConsoleLevels::new(LogLevel::Info as u8 + 1);

/// Connects the `log` crate. Once.
pub fn init() {
    // A second call finds the same logger in place.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
}

/// What goes to the console from now on. Everything up to "info" is kept in
/// the log ring in any case.
pub fn set_level(level: LogLevel) {
    LEVELS.set(level as u8 + 1);
    log::set_max_level(match level {
        LogLevel::Error | LogLevel::Warning | LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
    });
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = Line::new();
        let prefix = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            _ => "",
        };
        line.format(format_args!("{prefix}{}", record.args()));
        keep(log_ring::severity(record.level()), line);
    }

    fn flush(&self) {}
}

/// Into the log ring, and onto the console if that severity is wanted there. Any context.
pub(super) fn keep(severity: u8, mut line: Line) {
    log_ring::append(severity, line.bytes());
    if LEVELS.shows(severity) {
        line.end();
        show(line.bytes());
    }
}

/// Onto the console, with the time since boot.
pub(super) fn show(text: &[u8]) {
    output::emit_parts(&[stamp().bytes(), text]);
}

/// As [`show`]; see `console::print_urgent`.
pub(super) fn show_urgent(text: &[u8]) {
    output::emit_urgent(&[stamp().bytes(), text]);
}

/// The time since boot, as messages begin with it.
fn stamp() -> Line {
    let micros = platform::now() / 1_000;
    let mut stamp = Line::new();
    stamp.format(format_args!(
        "[{:5}.{:06}] ",
        micros / 1_000_000,
        micros % 1_000_000
    ));
    stamp
}
