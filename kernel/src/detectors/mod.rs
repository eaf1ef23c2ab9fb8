//! Detectors of work that gets nowhere, and of timers that do not do theirs,
//! beside the watchdog's of what lasts too long. Each reports with a line
//! `watchdog: KIND: ...`.

mod main_loop;
pub mod timers;

pub use main_loop::{LoopWatch, main_loop_was_woken};
