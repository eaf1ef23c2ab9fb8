//! The watchdog (SPEC S6): notices from the timer interrupt of each CPU what
//! lasts too long, and says who, where, and for what.
//!
//! A report's first line is `watchdog: KIND: DETAILS` ([`Kind`]), that of a
//! warning `watchdog: warning: KIND: DETAILS`. All of it runs in whatever
//! state the machine is in: it waits for no lock, takes no memory, and what
//! it prints is out before it goes on.

mod checks;
pub mod locks;
mod report;
mod settings;
mod voice;

pub use checks::{check, note_interrupt};
pub use report::{Who, interrupt_missing};
pub use settings::{configure, file};
pub use voice::{Kind, report};
