//! Detectors of work that gets nowhere, and of timers that do not do theirs,
//! beside the watchdog's of what lasts too long. Each reports with a line
//! `watchdog: KIND: ...`.

mod lost_wake_up;
mod main_loop;
mod missing;
pub mod timers;

pub use lost_wake_up::lost_wake_up;
pub use main_loop::{LoopWatch, main_loop_was_woken};
pub use missing::{Missing, missing};
