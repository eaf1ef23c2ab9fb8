//! Signals.

mod faults_told;
mod handler_flags;
mod kill_rules;
mod sigactions;
mod signalfd_words;
mod signalfds;
mod signals_of_exec;
mod signals_taken;
mod suspends;

use super::contracts;

contracts! {
    faults_told
    handler_flags
    kill_rules
    sigactions
    signalfd_words
    signalfds
    signals_of_exec
    signals_taken
    suspends
}
