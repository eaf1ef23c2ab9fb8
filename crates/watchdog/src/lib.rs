//! What the watchdog decides, apart from how it learns of it: when something
//! has lasted too long, who waits for whom, and how a stack is walked.
//!
//! All of it runs in interrupts of a machine in trouble: nothing here locks,
//! allocates, or goes on without a bound.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod chain;
mod limits;
mod peak;
mod repeats;
mod settings;
mod stage;
mod stolen;
mod walk;

pub use chain::{End, MAX_LINKS, View, follow};
pub use limits::{Episode, Limits, Severity};
pub use peak::PeakHold;
pub use repeats::{Repeat, Repeats};
pub use settings::Setting;
pub use stage::{STAGES, Stage};
pub use stolen::{StolenTime, USUAL_DELAY_NS};
pub use walk::{Entry, MAX_FRAMES, Place, Walk};
