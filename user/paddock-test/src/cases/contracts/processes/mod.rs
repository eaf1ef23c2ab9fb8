//! Processes and threads, and what they may use.

mod bounding_sets;
mod clones;
mod execs;
mod futex_rules;
mod no_new_privileges;
mod parent_death;
mod pi_futexes;
mod pidfd_signals;
mod prctls;
mod rlimits;
mod robust_lists;
mod scheds;
mod subreapers;
mod thread_names;
mod traced_starts;
mod waits;

use super::contracts;

contracts! {
    bounding_sets
    clones
    execs
    futex_rules
    no_new_privileges
    parent_death
    pi_futexes
    pidfd_signals
    prctls
    rlimits
    robust_lists
    scheds
    subreapers
    thread_names
    traced_starts
    waits
}
