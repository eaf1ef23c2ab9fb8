//! A sampling profiler without hardware.
//!
//! The timer interrupt of each CPU puts what it has interrupted into the CPU's
//! [`Ring`]; a thread takes the samples out, gives the addresses of programs their
//! files while these are still mapped, and counts equal stacks in a [`Profile`],
//! which prints them folded: a line for each stack, its frames from the outermost
//! joined by `;`, and how often it was seen.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod names;
mod profile;
mod ring;

pub use names::Name;
pub use profile::{Frame, Profile};
pub use ring::{MAX_FRAMES, Ring, Sample};
