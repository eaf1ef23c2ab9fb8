//! Clocks and timers.

mod clocks;
mod file_times;
mod itimers;
mod posix_timers;
mod settimes;
mod sleeps;
mod timer_clocks;
mod timer_signals;
mod timerfd_more;
mod timerfds;
mod times_of_children;

use super::contracts;

contracts! {
    clocks
    file_times
    itimers
    posix_timers
    settimes
    sleeps
    timer_clocks
    timer_signals
    timerfd_more
    timerfds
    times_of_children
}
