//! Thread states and the table of allowed transitions.

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Made, but not yet handed to the scheduler.
    New,
    /// In a run queue.
    Ready,
    /// On a CPU.
    Running,
    /// Waiting to be unparked, or for its deadline.
    Blocked,
    /// Finished; only waits to be dropped.
    Dead,
}

/// A transition that is not in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTransition {
    /// The state it was in.
    pub from: State,
    /// The state it was to enter.
    pub to: State,
}

impl State {
    /// The state of this number, as `self as u8` gave it.
    pub const fn from_u8(number: u8) -> Option<State> {
        Some(match number {
            0 => State::New,
            1 => State::Ready,
            2 => State::Running,
            3 => State::Blocked,
            4 => State::Dead,
            _ => return None,
        })
    }

    /// Goes to `to`.
    ///
    /// # Errors
    /// If the table does not allow it.
    pub const fn go(self, to: State) -> Result<State, BadTransition> {
        use State::{Blocked, Dead, New, Ready, Running};
        match (self, to) {
            (New | Running | Blocked, Ready) | (Ready, Running) | (Running, Blocked | Dead) => {
                Ok(to)
            }
            _ => Err(BadTransition { from: self, to }),
        }
    }

    /// The letter that /proc/PID/stat shows.
    pub const fn letter(self) -> char {
        match self {
            State::New | State::Ready | State::Running => 'R',
            State::Blocked => 'S',
            State::Dead => 'Z',
        }
    }
}
