//! Clocks and timers.

mod clocks;
mod posix_timers;
mod timerfds;

use super::contracts;

contracts! {
    clocks
    posix_timers
    timerfds
}
