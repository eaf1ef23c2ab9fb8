//! Which ports sockets are bound to: bind(2), `SO_REUSEADDR`, port 0.

use alloc::vec::Vec;
use embassy_net::IpAddress;
use paddock_abi::{Errno, Result};

/// Ports that the system gives out: Linux's range (`ip_local_port_range`).
pub const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;

/// What shares its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP's ports.
    Tcp,
    /// UDP's ports.
    Udp,
}

/// A port that is taken.
#[derive(Clone, Copy, Debug)]
struct Claim {
    id: u64,
    protocol: Protocol,
    /// `None` is any address.
    address: Option<IpAddress>,
    port: u16,
    reuse: bool,
    listening: bool,
}

impl Claim {
    fn meets(&self, protocol: Protocol, address: Option<IpAddress>, port: u16) -> bool {
        let one_address = match (self.address, address) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        self.protocol == protocol && self.port == port && one_address
    }
}

/// All ports that are taken.
#[derive(Debug)]
pub struct Ports {
    claims: Vec<Claim>,
    next_id: u64,
}

impl Ports {
    /// All are free.
    pub const fn new() -> Self {
        Ports {
            claims: Vec::new(),
            next_id: 0,
        }
    }

    fn is_free(
        &self,
        protocol: Protocol,
        address: Option<IpAddress>,
        port: u16,
        reuse: bool,
    ) -> bool {
        let mut meeting = self
            .claims
            .iter()
            .filter(|claim| claim.meets(protocol, address, port));
        meeting.all(|claim| reuse && claim.reuse && !claim.listening)
    }

    /// Takes a port, one near `random` for port 0. The claim's number and
    /// the port. `EADDRINUSE`, `ENOMEM`.
    pub fn claim(
        &mut self,
        protocol: Protocol,
        address: Option<IpAddress>,
        port: u16,
        reuse: bool,
        random: u64,
    ) -> Result<(u64, u16)> {
        let port = match port {
            0 => self.choose(protocol, random).ok_or(Errno::EADDRINUSE)?,
            port if self.is_free(protocol, address, port, reuse) => port,
            _ => return Err(Errno::EADDRINUSE),
        };
        self.claims.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let id = self.next_id;
        self.next_id += 1;
        self.claims.push(Claim {
            id,
            protocol,
            address,
            port,
            reuse,
            listening: false,
        });
        Ok((id, port))
    }

    fn choose(&self, protocol: Protocol, random: u64) -> Option<u16> {
        let count = EPHEMERAL.len() as u64;
        (0..count)
            .map(|step| EPHEMERAL.start() + ((random + step) % count) as u16)
            .find(|&port| self.is_free(protocol, None, port, false))
    }

    /// Whether nobody has this port, on any address.
    pub fn is_unclaimed(&self, protocol: Protocol, port: u16) -> bool {
        self.is_free(protocol, None, port, false)
    }

    /// The claim's socket listens from now on: alone. `EADDRINUSE`.
    pub fn listen(&mut self, id: u64) -> Result<()> {
        let Some(own) = self.claims.iter().find(|claim| claim.id == id).copied() else {
            return Err(Errno::EINVAL);
        };
        let rival = |claim: &Claim| claim.id != id && claim.listening;
        let mut claims = self.claims.iter().filter(|claim| rival(claim));
        if claims.any(|claim| claim.meets(own.protocol, own.address, own.port)) {
            return Err(Errno::EADDRINUSE);
        }
        for claim in self.claims.iter_mut().filter(|claim| claim.id == id) {
            claim.listening = true;
        }
        Ok(())
    }

    /// Gives a port back.
    pub fn release(&mut self, id: u64) {
        self.claims.retain(|claim| claim.id != id);
    }
}
