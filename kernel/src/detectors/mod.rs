//! Detectors of work that gets nowhere, and of timers that do not do theirs,
//! beside the watchdog's of what lasts too long. Each reports with a line
//! `watchdog: KIND: ...`.

mod lost_wake_up;
mod main_loop;
mod missing;
mod timers;

pub use missing::{Missing, missing};
