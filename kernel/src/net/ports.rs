//! Which ports are taken: of TCP by the kernel's own services, of UDP by
//! sockets. Those of programs' TCP sockets are in [`super::inet`].

use super::inet;
use crate::random;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
pub use paddock_inet::EPHEMERAL;
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// TCP ports of the kernel's own services, a bit each, so that every packet
/// can be looked at without a lock.
pub struct Services([AtomicU64; 1024]);

/// The kernel's own services.
pub static SERVICES: Services = Services([const { AtomicU64::new(0) }; 1024]);

impl Services {
    fn bit(&self, port: u16) -> (&AtomicU64, u64) {
        (&self.0[usize::from(port / 64)], 1 << (port % 64))
    }

    /// Whether a port is a service's. Any context.
    pub fn has(&self, port: u16) -> bool {
        let (word, bit) = self.bit(port);
        word.load(Relaxed) & bit != 0
    }

    /// All of them, for listings: it looks at every port.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX).filter(|&port| self.has(port))
    }

    /// Takes a port for a service. `EADDRINUSE` if another service or a
    /// program has it.
    pub fn take(&self, port: u16) -> Result<()> {
        let (word, bit) = self.bit(port);
        // In the programs' stack's section: none of them binds it meanwhile.
        inet::with(|stack, _| {
            if stack.is_bound(port) || word.fetch_or(bit, Relaxed) & bit != 0 {
                return Err(Errno::EADDRINUSE);
            }
            Ok(())
        })
    }

    /// Gives a port back.
    pub fn release(&self, port: u16) {
        let (word, bit) = self.bit(port);
        word.fetch_and(!bit, Relaxed);
    }
}

/// The ports of one protocol that are taken.
pub struct Ports(SpinLock<Vec<u16>, PreemptOff>);

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
