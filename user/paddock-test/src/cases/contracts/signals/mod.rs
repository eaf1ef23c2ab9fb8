//! Signals.

mod kill_rules;
mod sigactions;
mod signalfds;
mod signals_taken;

use super::contracts;

contracts! {
    kill_rules
    sigactions
    signalfds
    signals_taken
}
