//! Clocks and timers.

mod adjust_rules;
mod alarms;
mod clock_numbers;
mod clocks;
mod clocks_go_on;
mod file_times;
mod itimer_kinds;
mod itimers;
mod posix_timers;
mod settimes;
mod sleeps;
mod sleeps_ended;
mod timer_clocks;
mod timer_signals;
mod timerfd_cancels;
mod timerfd_more;
mod timerfds;
mod times_of_children;

use super::contracts;

contracts! {
    adjust_rules
    alarms
    clock_numbers
    clocks
    clocks_go_on
    file_times
    itimer_kinds
    itimers
    posix_timers
    settimes
    sleeps
    sleeps_ended
    timer_clocks
    timer_signals
    timerfd_cancels
    timerfd_more
    timerfds
    times_of_children
}
