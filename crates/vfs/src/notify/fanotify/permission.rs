//! [`Question`]: somebody waits for a group's leave (fanotify(7), "Dealing with permission
//! events").

use crate::{Errno, Result};
use core::sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Acquire};

/// The answer of a group (`struct fanotify_response`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `FAN_ALLOW`.
    Allow = 1,
    /// `FAN_DENY`.
    Deny = 2,
}

impl Answer {
    /// The answer that a program gives. `EINVAL`.
    pub fn from_bits(bits: u32) -> Result<Answer> {
        match bits {
            1 => Ok(Answer::Allow),
            2 => Ok(Answer::Deny),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// What somebody waits for.
#[derive(Default)]
pub struct Question(AtomicU32);

impl Question {
    /// Answers it; the first answer counts.
    pub fn answer(&self, answer: Answer) {
        let _ = self.0.compare_exchange(0, answer as u32, AcqRel, Acquire);
    }

    /// Whether it has been answered.
    pub fn is_answered(&self) -> bool {
        self.0.load(Acquire) != 0
    }

    /// What the answer means to who waited. `EPERM`.
    pub fn result(&self) -> Result<()> {
        match self.0.load(Acquire) == Answer::Allow as u32 {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }
}
