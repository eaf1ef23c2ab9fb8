//! Thread states, the table of allowed transitions, and the park token.

use crate::shim::{AtomicU8, const_fn};
use core::sync::atomic::Ordering;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Made, but not yet handed to the scheduler.
    New,
    /// In a run queue, or on its way there.
    Ready,
    /// On a CPU.
    Running,
    /// Waiting to be unparked, or for its deadline.
    Blocked,
    /// Finished; only waits to be dropped.
    Dead,
}

impl State {
    const fn from_bits(bits: u8) -> State {
        match bits & !NOTIFIED {
            0 => State::New,
            1 => State::Ready,
            2 => State::Running,
            3 => State::Blocked,
            _ => State::Dead,
        }
    }

    /// Whether `to` may follow.
    const fn allows(self, to: State) -> bool {
        use State::{Blocked, Dead, New, Ready, Running};
        matches!(
            (self, to),
            (New | Running | Blocked, Ready) | (Ready, Running) | (Running, Blocked | Dead)
        )
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

/// An unpark that the next park will find.
const NOTIFIED: u8 = 0x80;

/// The state of one thread, changed by many CPUs without a lock.
///
/// Whoever makes a thread Ready has the duty, and the sole right, to put it
/// into a run queue. One compare-and-exchange decides between an unpark and
/// the park that it meets: the thread stays Running and finds the note, or is
/// Blocked and becomes Ready. There is no third way, so no wake-up is lost.
#[derive(Debug)]
pub struct AtomicState(AtomicU8);

impl AtomicState {
    const_fn! {
        /// The state of a thread that the scheduler does not know yet.
        pub fn new() -> Self {
            AtomicState(AtomicU8::new(State::New as u8))
        }
    }

    const_fn! {
        /// The state of a CPU's idle thread, which runs from the start.
        pub fn new_running() -> Self {
            AtomicState(AtomicU8::new(State::Running as u8))
        }
    }

    /// The state, as of now.
    pub fn get(&self) -> State {
        State::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Goes to `to` and keeps the note. Not for a park or an unpark.
    ///
    /// # Panics
    /// If the table does not allow it: then two CPUs have the same thread.
    #[track_caller]
    pub fn go(&self, to: State) {
        let step = |bits: u8| {
            State::from_bits(bits)
                .allows(to)
                .then_some(to as u8 | bits & NOTIFIED)
        };
        let result = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, step);
        if let Err(bits) = result {
            panic!(
                "a thread that is {:?} cannot become {to:?}",
                State::from_bits(bits)
            );
        }
    }

    /// Running becomes Blocked: true. If there is a note the thread stays
    /// Running, the note is taken, and the result is false.
    pub fn park(&self) -> bool {
        let step = |bits: u8| {
            Some(if bits & NOTIFIED != 0 {
                bits & !NOTIFIED
            } else {
                State::Blocked as u8
            })
        };
        match self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step)
        {
            Ok(bits) | Err(bits) => bits & NOTIFIED == 0,
        }
    }

    /// Blocked becomes Ready: true, and the caller puts it into a run queue.
    /// Any other state gets the note, except Dead.
    pub fn unpark(&self) -> bool {
        let step = |bits: u8| match State::from_bits(bits) {
            State::Blocked => Some(State::Ready as u8),
            State::Dead => None,
            _ => Some(bits | NOTIFIED),
        };
        let result = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
        result.is_ok_and(|bits| State::from_bits(bits) == State::Blocked)
    }

    /// As [`Self::unpark`] for a deadline that has come: leaves no note, as
    /// a thread that is no longer blocked has noticed the time itself.
    pub fn expire(&self) -> bool {
        let step =
            |bits: u8| (State::from_bits(bits) == State::Blocked).then_some(State::Ready as u8);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step)
            .is_ok()
    }
}

impl Default for AtomicState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn running() -> AtomicState {
        AtomicState::new_running()
    }

    #[test]
    fn an_unpark_before_the_park_is_found_once() {
        let state = running();
        assert!(!state.unpark());
        assert!(!state.park());
        assert_eq!(state.get(), State::Running);
        assert!(state.park());
        assert_eq!(state.get(), State::Blocked);
    }

    #[test]
    fn one_of_two_wakers_has_the_thread() {
        let state = running();
        assert!(state.park());
        assert!(state.unpark());
        assert!(!state.unpark());
        state.go(State::Running);
        assert!(!state.park(), "the second waker's note");
    }

    #[test]
    fn a_deadline_leaves_no_note() {
        let state = running();
        assert!(!state.expire());
        assert!(state.park());
        assert!(state.expire());
        assert!(!state.expire());
        state.go(State::Running);
        assert!(state.park());
    }

    #[test]
    fn the_dead_stay_dead() {
        let state = running();
        state.go(State::Dead);
        assert!(!state.unpark());
        assert_eq!(state.get(), State::Dead);
    }

    #[test]
    #[should_panic(expected = "Ready cannot become Ready")]
    fn ready_twice_is_refused() {
        let state = AtomicState::new();
        state.go(State::Ready);
        state.go(State::Ready);
    }
}
