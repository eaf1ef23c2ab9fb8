//! [`Limit`]: a number, or none.

use core::fmt;
use paddock_abi::{Errno, Result};

/// The most of something that there may be, written as a number or `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit(pub u64);

impl Limit {
    /// No limit.
    pub const NONE: Limit = Limit(u64::MAX);

    /// Reads it: `max`, or a number of at most `most`. `EINVAL` for anything
    /// that is neither.
    pub fn parse(text: &str, most: u64) -> Result<Limit> {
        match text {
            "max" => Ok(Limit::NONE),
            _ => match text.parse() {
                Ok(number) if number <= most => Ok(Limit(number)),
                _ => Err(Errno::EINVAL),
            },
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Limit::NONE => f.write_str("max"),
            Limit(number) => write!(f, "{number}"),
        }
    }
}
