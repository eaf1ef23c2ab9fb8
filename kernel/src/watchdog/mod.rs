//! The watchdog (SPEC S6): notices from the timer interrupt of each CPU what
//! lasts too long, and says who, where, and for what.
//!
//! A report's first line is `watchdog: KIND: DETAILS` ([`Kind`]), that of a
//! warning `watchdog: warning: KIND: DETAILS`. All of it runs in whatever
//! state the machine is in: it waits for no lock, takes no memory, and what
//! it prints is out before it goes on.

mod checks;
mod idle_watch;
pub mod locks;
mod others;
mod report;
mod report_writer;
mod settings;
mod stolen;

pub use report::{At, Doing, Who, interrupt_missing, ms, report_thread};
#[cfg(feature = "fuzz-sched")]
pub use report_writer::after_report;
pub use report_writer::{Kind, counts, report};
pub use settings::{configure, file};
