//! The time of day, for filesystems.

use crate::time;
use paddock_abi::time::NANOS;
use paddock_vfs::{Clock, Timestamp};

/// The kernel's wall clock.
#[derive(Debug)]
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let nanos = time::wall();
        Timestamp {
            seconds: (nanos / NANOS) as i64,
            nanos: (nanos % NANOS) as u32,
        }
    }
}
