//! Clocks and timers.

mod clocks;
mod itimers;
mod posix_timers;
mod sleeps;
mod timerfds;
mod times_of_children;

use super::contracts;

contracts! {
    clocks
    itimers
    posix_timers
    sleeps
    timerfds
    times_of_children
}
