//! When a service that ended is started again.

use serde::{Deserialize, Serialize};

use super::Signal;
use super::units::Millis;
use crate::machine::End;

/// When a service that ended by itself is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// However it ended.
    Always,
    /// Unless it ended well: with status 0, or as `success_exit` says.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// How long restarts wait that are not at once: the first wait, which is
/// doubled for each restart in a row, and the longest. Written
/// `"100ms..60s"`, or as one time if it is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Backoff {
    /// The first wait.
    pub first: Millis,
    /// The longest wait.
    pub most: Millis,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            first: Millis(100),
            most: Millis(60_000),
        }
    }
}

impl TryFrom<String> for Backoff {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (first, most) = text.split_once("..").unwrap_or((&text, &text));
        let (first, most) = (Millis::read(first)?, Millis::read(most)?);
        if first > most {
            return Err(format!(
                "{text:?}: the longest wait is shorter than the first"
            ));
        }
        Ok(Backoff { first, most })
    }
}

impl From<Backoff> for String {
    fn from(backoff: Backoff) -> Self {
        format!("{}ms..{}ms", backoff.first.0, backoff.most.0)
    }
}

/// An end that counts as one that was meant: an exit status or a signal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an exit status from 0 to 255, or a signal like \"TERM\""
)]
pub enum Success {
    /// It left with this status.
    Status(u8),
    /// It was killed by this signal.
    Signal(Signal),
}

impl Success {
    /// Whether `end` is this.
    pub fn is(&self, end: End) -> bool {
        match (self, end) {
            (Success::Status(status), End::Exited(found)) => found == i32::from(*status),
            (Success::Signal(signal), End::Killed(found)) => found == *signal,
            _ => false,
        }
    }
}
