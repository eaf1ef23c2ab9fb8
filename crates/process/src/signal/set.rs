//! [`SignalSet`]: 64 signals in a word.

use paddock_abi::signal::*;

/// A set of signals, bit `n - 1` for signal `n`, as `sigset_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// No signals.
    pub const EMPTY: SignalSet = SignalSet(0);
    /// The signals that cannot be blocked, caught or ignored.
    pub const UNBLOCKABLE: SignalSet = SignalSet::of(SIGKILL).union(SignalSet::of(SIGSTOP));
    /// The signals that stop.
    pub const STOPPING: SignalSet = SignalSet::of(SIGSTOP)
        .union(SignalSet::of(SIGTSTP))
        .union(SignalSet::of(SIGTTIN))
        .union(SignalSet::of(SIGTTOU));
    /// The signals that an instruction causes: they go before others.
    pub const SYNCHRONOUS: SignalSet = SignalSet::of(SIGSEGV)
        .union(SignalSet::of(SIGBUS))
        .union(SignalSet::of(SIGILL))
        .union(SignalSet::of(SIGTRAP))
        .union(SignalSet::of(SIGFPE))
        .union(SignalSet::of(SIGSYS));

    /// One signal; empty if the number is none.
    pub const fn of(signal: u32) -> SignalSet {
        match signal {
            1..=SIGMAX => SignalSet(1 << (signal - 1)),
            _ => SignalSet(0),
        }
    }

    /// Whether it has the signal.
    pub const fn contains(self, signal: u32) -> bool {
        self.0 & SignalSet::of(signal).0 != 0
    }

    /// Either's signals.
    pub const fn union(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 | other.0)
    }

    /// The signals of both.
    pub const fn intersection(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & other.0)
    }

    /// The signals that `other` has not.
    pub const fn minus(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest signal.
    pub const fn first(self) -> Option<u32> {
        match self.0 {
            0 => None,
            bits => Some(bits.trailing_zeros() + 1),
        }
    }
}
