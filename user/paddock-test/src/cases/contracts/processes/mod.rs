//! Processes and threads, and what they may use.

mod accounting;
mod bounding_sets;
mod children_left;
mod cleared_numbers;
mod clone3_rules;
mod clone_numbers;
mod clone_shares;
mod clones;
mod dumpables;
mod entered;
mod entered_ended;
mod exec_errors;
mod exec_keeps;
mod exec_scripts;
mod execs;
mod fork_keeps;
mod futex_moves;
mod futex_rules;
mod futex_times;
mod group_exits;
mod group_numbers;
mod io_priorities;
mod kcmp_kinds;
mod limits_of_others;
mod memory_files;
mod memory_limits;
mod nice_values;
mod no_new_privileges;
mod parent_death;
mod pi_futexes;
mod pidfd_ends;
mod pidfd_getfds;
mod pidfd_signals;
mod places_shared;
mod prctls;
mod rlimits;
mod robust_deaths;
mod robust_lists;
mod scheds;
mod slacks;
mod subreapers;
mod thread_names;
mod trace_rules;
mod traced_starts;
mod unshared;
mod usages;
mod vm_transfers;
mod wait_kinds;
mod wait_makers;
mod wait_threads;
mod waits;

use super::contracts;

contracts! {
    accounting
    bounding_sets
    children_left
    cleared_numbers
    clone3_rules
    clone_numbers
    clone_shares
    clones
    dumpables
    entered
    entered_ended
    exec_errors
    exec_keeps
    exec_scripts
    execs
    fork_keeps
    futex_moves
    futex_rules
    futex_times
    group_exits
    group_numbers
    io_priorities
    kcmp_kinds
    limits_of_others
    memory_files
    memory_limits
    nice_values
    no_new_privileges
    parent_death
    pi_futexes
    pidfd_ends
    pidfd_getfds
    pidfd_signals
    places_shared
    prctls
    rlimits
    robust_deaths
    robust_lists
    scheds
    slacks
    subreapers
    thread_names
    trace_rules
    traced_starts
    unshared
    usages
    vm_transfers
    wait_kinds
    wait_makers
    wait_threads
    waits
}
