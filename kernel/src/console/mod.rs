//! The console: printing from any context, the log ring behind it, and the
//! UART's two directions.
//!
//! [`safe_print!`] and [`safe_println!`] format into a buffer of fixed size
//! on the stack, never allocate and never block. Their bytes, like those of
//! processes ([`write_bytes`]), go through one transmit ring, which whoever
//! prints moves on while the UART has room and the transmit interrupt moves
//! on after that. Before interrupts run, and in a panic, bytes are polled out
//! instead.

mod input;
pub mod kmsg;
pub mod log_ring;
mod logger;
mod output;
pub mod terminal;
mod uart;

pub use log_ring::announce;
pub use logger::{LEVELS, set_level};
#[cfg(feature = "test-kernel")]
pub use output::hold_while;
pub use output::{enter_panic_mode, init, room, start_interrupts, write_text};

use core::fmt;
use paddock_console::Line;

/// Prints to the console, without the log ring. Any context.
#[allow(unused_macros, reason = "part of the console's interface")]
macro_rules! safe_print {
    ($($argument:tt)*) => {
        $crate::console::print(::core::format_args!($($argument)*))
    };
}

/// Prints a line to the console, with the time, and to the log ring. Any
/// context.
macro_rules! safe_println {
    ($($argument:tt)*) => {
        $crate::console::print_line(::core::format_args!($($argument)*))
    };
}

#[allow(unused_imports, reason = "part of the console's interface")]
pub(crate) use {safe_print, safe_println};

/// As [`print_line`], for reports of trouble: it is out when this returns,
/// even if whoever holds the console is stuck. Any context.
pub fn print_urgent(arguments: fmt::Arguments<'_>) {
    let mut line = Line::new();
    line.format(arguments);
    log_ring::append(log_ring::severity(log::Level::Error), line.bytes());
    line.end();
    logger::show_urgent(line.bytes());
}

/// A program's message, of that severity by syslog(2)'s numbers. Any context.
pub fn program_says(severity: u8, text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    line.format(text);
    logger::keep(severity, line);
}

/// See [`safe_print!`].
#[allow(dead_code, reason = "part of the console's interface")]
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut line = Line::new();
    line.format(arguments);
    output::emit(line.bytes());
}

/// See [`safe_println!`].
pub fn print_line(arguments: fmt::Arguments<'_>) {
    let mut line = Line::new();
    line.format(arguments);
    log_ring::append(log_ring::severity(log::Level::Info), line.bytes());
    line.end();
    logger::show(line.bytes());
}
