//! Processes and threads, and what they may use.

mod bounding_sets;
mod cleared_numbers;
mod clones;
mod dumpables;
mod entered;
mod execs;
mod futex_rules;
mod memory_limits;
mod no_new_privileges;
mod parent_death;
mod pi_futexes;
mod pidfd_ends;
mod pidfd_getfds;
mod pidfd_signals;
mod prctls;
mod rlimits;
mod robust_lists;
mod scheds;
mod slacks;
mod subreapers;
mod thread_names;
mod trace_rules;
mod traced_starts;
mod unshared;
mod vm_transfers;
mod wait_kinds;
mod wait_threads;
mod waits;

use super::contracts;

contracts! {
    bounding_sets
    cleared_numbers
    clones
    dumpables
    entered
    execs
    futex_rules
    memory_limits
    no_new_privileges
    parent_death
    pi_futexes
    pidfd_ends
    pidfd_getfds
    pidfd_signals
    prctls
    rlimits
    robust_lists
    scheds
    slacks
    subreapers
    thread_names
    trace_rules
    traced_starts
    unshared
    vm_transfers
    wait_kinds
    wait_threads
    waits
}
