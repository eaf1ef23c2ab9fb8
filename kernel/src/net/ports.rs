//! Which ports are the kernel's own services'. Those of programs' sockets are in
//! [`super::space`].

use super::space;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};

/// The UDP port of the kernel's DHCP client (RFC 2131, 4.1).
pub const DHCP_CLIENT: u16 = 68;

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
        space::initial().with(|stack, _| {
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
