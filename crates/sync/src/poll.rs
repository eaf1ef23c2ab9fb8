//! One readiness for everything that can block.

use crate::wait_queue::WaitQueue;

bitflags::bitflags! {
    /// What an object is ready for, with the values of poll(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Ready: u32 {
        /// Data can be read, or a connection accepted.
        const IN = 0x1;
        /// Urgent data can be read.
        const PRI = 0x2;
        /// Data can be written.
        const OUT = 0x4;
        /// An error is pending. Always reported.
        const ERR = 0x8;
        /// The other end is gone. Always reported.
        const HUP = 0x10;
        /// The other end writes no more.
        const RDHUP = 0x2000;
    }
}

/// An object that can be waited for.
///
/// To wait: register on the queue, then ask `ready`, then park.
/// [`WaitQueue::wait_until`] does just that.
pub trait Pollable: Send + Sync {
    /// What the object is ready for now. Never sleeps.
    fn ready(&self) -> Ready;

    /// Where a change of readiness is announced; `None` for an object that
    /// is always ready.
    fn wait_queue(&self) -> Option<&WaitQueue>;
}
