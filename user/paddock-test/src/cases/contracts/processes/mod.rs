//! Processes and threads, and what they may use.

mod clones;
mod execs;
mod futex_rules;
mod pi_futexes;
mod prctls;
mod rlimits;
mod scheds;
mod waits;

use super::contracts;

contracts! {
    clones
    execs
    futex_rules
    pi_futexes
    prctls
    rlimits
    scheds
    waits
}
