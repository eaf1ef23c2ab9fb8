//! Signals.

mod child_flags;
mod faults_told;
mod handler_flags;
mod kill_rules;
mod pending_signals;
mod sigactions;
mod siginfos;
mod signal_rights;
mod signalfd_words;
mod signalfds;
mod signals_of_exec;
mod signals_taken;
mod stacks;
mod suspends;

use super::contracts;

contracts! {
    child_flags
    faults_told
    handler_flags
    kill_rules
    pending_signals
    sigactions
    siginfos
    signal_rights
    signalfd_words
    signalfds
    signals_of_exec
    signals_taken
    stacks
    suspends
}
