//! Signals.

mod child_flags;
mod faults_told;
mod handler_flags;
mod handlers_nested;
mod io_owners;
mod io_signals;
mod kill_rules;
mod kill_users;
mod pending_signals;
mod sigactions;
mod siginfos;
mod signal_rights;
mod signalfd_words;
mod signalfds;
mod signals_of_exec;
mod signals_taken;
mod stacks;
mod stops;
mod suspends;

use super::contracts;

contracts! {
    child_flags
    faults_told
    handler_flags
    handlers_nested
    io_owners
    io_signals
    kill_rules
    kill_users
    pending_signals
    sigactions
    siginfos
    signal_rights
    signalfd_words
    signalfds
    signals_of_exec
    signals_taken
    stacks
    stops
    suspends
}
