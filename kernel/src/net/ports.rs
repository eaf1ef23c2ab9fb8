//! Which ports sockets are bound to.

use crate::random;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// Ports given out by the system (RFC 6335).
pub const EPHEMERAL: RangeInclusive<u16> = 49152..=65534;

/// The ports of one protocol that are taken.
pub struct Ports(SpinLock<Vec<u16>, PreemptOff>);

/// TCP's.
pub static TCP: Ports = Ports::new();
/// UDP's.
pub static UDP: Ports = Ports::new();

impl Ports {
    const fn new() -> Ports {
        Ports(SpinLock::new(Rank::Leaf, Vec::new()))
    }

    /// Takes a port; 0 is one of the system's choice. `EADDRINUSE`, `ENOMEM`.
    pub fn take(&self, wish: u16) -> Result<u16> {
        let mut ports = self.0.lock();
        ports.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let port = match wish {
            0 => {
                let (first, last) = EPHEMERAL.into_inner();
                let span = last - first + 1;
                let start = (random::next_u64() % u64::from(span)) as u16;
                (0..span)
                    .map(|step| {
                        first + ((u32::from(start) + u32::from(step)) % u32::from(span)) as u16
                    })
                    .find(|port| !ports.contains(port))
                    .ok_or(Errno::EADDRINUSE)?
            }
            port if ports.contains(&port) => return Err(Errno::EADDRINUSE),
            port => port,
        };
        ports.push(port);
        Ok(port)
    }

    /// Gives a port back.
    pub fn release(&self, port: u16) {
        self.0.lock().retain(|&other| other != port);
    }
}
