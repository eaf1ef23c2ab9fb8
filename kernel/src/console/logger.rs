//! The `log` crate's messages: into the log ring, and onto the console if
//! their level is wanted there.

use super::{log_ring, output};
use crate::machine::LogLevel;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use log::{Level, LevelFilter, Log, Metadata, Record};
use paddock_console::Line;
use paddock_sync::platform;

struct Logger;

static LOGGER: Logger = Logger;
/// The least important level that goes to the console, as `Level as u8`.
static CONSOLE_LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Connects the `log` crate. Once.
pub fn init() {
    // A second call finds the same logger in place.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
}

/// What goes to the console from now on. Everything up to "info" is kept in
/// the log ring in any case.
pub fn set_level(level: LogLevel) {
    let (console, kept) = match level {
        LogLevel::Error => (Level::Error, LevelFilter::Info),
        LogLevel::Warning => (Level::Warn, LevelFilter::Info),
        LogLevel::Info => (Level::Info, LevelFilter::Info),
        LogLevel::Debug => (Level::Debug, LevelFilter::Debug),
    };
    CONSOLE_LEVEL.store(console as u8, Relaxed);
    log::set_max_level(kept);
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
        log_ring::append(record.level(), line.bytes());
        if record.level() as u8 <= CONSOLE_LEVEL.load(Relaxed) {
            line.end();
            show(line.bytes());
        }
    }

    fn flush(&self) {}
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
