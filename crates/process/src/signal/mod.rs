//! Signals as pure state (signal(7)): what is pending for whom, what is
//! blocked, and what happens next. One [`Signals`] holds a whole process
//! with all its threads, so that one lock covers every decision.

mod alt_stack;
mod deliver;
mod frame;
mod pending;
mod send;
mod set;
mod state;

pub use deliver::Delivery;
pub use frame::{FpState, FrameRequest, Registers, build_frame, restore_frame};
pub use pending::Pending;
pub use send::Sent;
pub use set::SignalSet;
pub use state::{Protection, Signals, ThreadSignals};

use paddock_abi::signal::*;

/// What a signal does without a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// Nothing.
    Ignore,
    /// The process dies.
    Terminate,
    /// The process dies, and would dump core.
    Core,
    /// The process stops.
    Stop,
    /// The process goes on, if it is stopped.
    Continue,
}

/// The default action of a signal.
pub const fn default_action(signal: u32) -> DefaultAction {
    match signal {
        SIGCHLD | SIGURG | SIGWINCH => DefaultAction::Ignore,
        SIGCONT => DefaultAction::Continue,
        SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => DefaultAction::Stop,
        SIGQUIT | SIGILL | SIGTRAP | SIGABRT | SIGBUS | SIGFPE | SIGSEGV | SIGXCPU | SIGXFSZ
        | SIGSYS => DefaultAction::Core,
        _ => DefaultAction::Terminate,
    }
}

/// Whether it is a signal's number.
pub const fn is_signal(signal: u32) -> bool {
    signal >= 1 && signal <= SIGMAX
}

#[cfg(test)]
mod tests;
