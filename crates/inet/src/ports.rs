//! Who has which local port (bind(2), socket(7)).

use crate::keys::TableHasher;
use crate::local::Local;
use crate::settings::Settings;
use crate::shrink::shrink;
use crate::slab::Id;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use hashbrown::HashMap;
use paddock_abi::{Errno, Result};
use smoltcp::wire::{IpAddress, IpEndpoint};

/// Ports given out by the system (RFC 6335).
pub const EPHEMERAL: RangeInclusive<u16> = 49152..=65534;

/// How many ports the system gives out.
pub const SPAN: u32 = 65534 - 49152 + 1;

/// A bound socket's claim on a port. It has to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The addresses.
    pub local: Local,
    /// The port.
    pub port: u16,
    number: u64,
}

impl Claim {
    /// What getsockname(2) tells.
    pub fn end(&self) -> IpEndpoint {
        IpEndpoint::new(self.local.address(), self.port)
    }
}

/// What of a socket others of its port have to know.
#[derive(Clone, Copy, Debug)]
struct Bound {
    claim: Claim,
    reuse_address: bool,
    reuse_port: bool,
    listener: Option<Id>,
}

#[derive(Debug, Default)]
struct Port {
    bound: Vec<Bound>,
    /// Connections, those in TIME-WAIT included, whose socket let others have
    /// the port, and those whose socket did not.
    sharing: u32,
    keeping: u32,
}

impl Port {
    fn is_free(&self) -> bool {
        self.bound.is_empty() && self.sharing == 0 && self.keeping == 0
    }
}

/// The ports of one protocol that are taken.
#[derive(Debug)]
pub struct Ports {
    ports: HashMap<u16, Port, TableHasher>,
    claims: u64,
}

impl Ports {
    /// All are free.
    pub fn new(hasher: TableHasher) -> Ports {
        Ports {
            ports: HashMap::with_hasher(hasher),
            claims: 0,
        }
    }

    /// The port's entry, made if need be. `ENOMEM`.
    fn entry(&mut self, port: u16) -> Result<&mut Port> {
        self.ports.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        Ok(self.ports.entry(port).or_default())
    }

    fn forget_if_free(&mut self, port: u16) {
        if self.ports.get(&port).is_some_and(Port::is_free) {
            self.ports.remove(&port);
            shrink(&mut self.ports);
        }
    }

    /// Takes a port for a socket. `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&mut self, local: Local, port: u16, settings: &Settings) -> Result<Claim> {
        let (reuse_address, reuse_port) = (settings.reuse_address, settings.reuse_port);
        let number = self.claims;
        let claim = Claim {
            local,
            port,
            number,
        };
        let entry = self.entry(port)?;
        let in_the_way = |other: &Bound| {
            local.overlaps(other.claim.local)
                && !(reuse_address && other.reuse_address && other.listener.is_none())
                && !(reuse_port && other.reuse_port)
        };
        let shares = reuse_address || reuse_port;
        let taken =
            entry.bound.iter().any(in_the_way) || entry.keeping > 0 || entry.sharing > 0 && !shares;
        if taken {
            return Err(Errno::EADDRINUSE);
        }
        if entry.bound.try_reserve(1).is_err() {
            self.forget_if_free(port);
            return Err(Errno::ENOMEM);
        }
        entry.bound.push(Bound {
            claim,
            reuse_address,
            reuse_port,
            listener: None,
        });
        self.claims += 1;
        Ok(claim)
    }

    /// Takes a port of the system's choice, which nobody uses; `start` is
    /// where to begin. `EADDRINUSE` if there is none, `ENOMEM`.
    pub fn bind_any(
        &mut self,
        local: Local,
        start: u32,
        settings: &Settings,
        is_reserved: impl Fn(u16) -> bool,
    ) -> Result<Claim> {
        let free = (0..SPAN)
            .map(|step| nth(start.wrapping_add(step)))
            .find(|port| !self.ports.contains_key(port) && !is_reserved(*port));
        self.bind(local, free.ok_or(Errno::EADDRINUSE)?, settings)
    }

    /// Gives a port back.
    pub fn release(&mut self, claim: Claim) {
        if let Some(entry) = self.ports.get_mut(&claim.port) {
            entry.bound.retain(|bound| bound.claim != claim);
        }
        self.forget_if_free(claim.port);
    }

    /// The socket of a claim begins to listen, or stops with `None`.
    /// `EADDRINUSE` if another one listens there.
    pub fn listen(&mut self, claim: Claim, listener: Option<Id>) -> Result<()> {
        let entry = self.ports.get_mut(&claim.port).ok_or(Errno::EINVAL)?;
        let own = entry.bound.iter().position(|bound| bound.claim == claim);
        let own = own.ok_or(Errno::EINVAL)?;
        let reuse_port = entry.bound[own].reuse_port;
        let in_the_way = |other: &Bound| {
            other.claim != claim
                && other.listener.is_some()
                && claim.local.overlaps(other.claim.local)
                && !(reuse_port && other.reuse_port)
        };
        if listener.is_some() && entry.bound.iter().any(in_the_way) {
            return Err(Errno::EADDRINUSE);
        }
        entry.bound[own].listener = listener;
        Ok(())
    }

    /// Who listens for connections to an address and port: those of the
    /// address itself before those of all; one of several by `spread`.
    pub fn listener(&self, address: IpAddress, port: u16, spread: usize) -> Option<Id> {
        let entry = self.ports.get(&port)?;
        let of = |wanted: Local| {
            let those = || {
                let there = entry.bound.iter();
                there.filter(|bound| bound.claim.local == wanted && bound.listener.is_some())
            };
            let count = those().count();
            those().nth(spread.checked_rem(count)?)?.listener
        };
        Local::of(address).into_iter().find_map(of)
    }

    /// Whether a socket has bound itself to a port.
    pub fn is_bound(&self, port: u16) -> bool {
        self.ports
            .get(&port)
            .is_some_and(|entry| !entry.bound.is_empty())
    }

    /// A connection of this port begins; `shares` is whether its socket lets
    /// others have the port (SO_REUSEADDR). `ENOMEM`.
    pub fn add_connection(&mut self, port: u16, shares: bool) -> Result<()> {
        let entry = self.entry(port)?;
        match shares {
            true => entry.sharing += 1,
            false => entry.keeping += 1,
        }
        Ok(())
    }

    /// It is over.
    pub fn remove_connection(&mut self, port: u16, shares: bool) {
        if let Some(entry) = self.ports.get_mut(&port) {
            let count = match shares {
                true => &mut entry.sharing,
                false => &mut entry.keeping,
            };
            *count = count.saturating_sub(1);
        }
        self.forget_if_free(port);
    }
}

/// The ports that the system gives out, in a circle.
pub fn nth(number: u32) -> u16 {
    EPHEMERAL.start() + (number % SPAN) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use crate::slab::Slab;
    use smoltcp::wire::Ipv4Address;

    fn ports() -> Ports {
        Ports::new(Keys::new(|| 1).hasher())
    }

    fn reuse(address: bool, port: bool) -> Settings {
        Settings {
            reuse_address: address,
            reuse_port: port,
            ..Settings::default()
        }
    }

    #[test]
    fn addresses_of_a_port_are_apart() {
        let (mut ports, plain) = (ports(), Settings::default());
        let one = Local::One(Ipv4Address::new(127, 0, 0, 1).into());
        let two = Local::One(Ipv4Address::new(127, 0, 0, 2).into());
        let first = ports.bind(one, 80, &plain).unwrap();
        assert_eq!(ports.bind(one, 80, &plain), Err(Errno::EADDRINUSE));
        assert_eq!(ports.bind(Local::Any, 80, &plain), Err(Errno::EADDRINUSE));
        let second = ports.bind(two, 80, &plain).unwrap();
        ports.release(first);
        assert_eq!(ports.bind(Local::Any, 80, &plain), Err(Errno::EADDRINUSE));
        ports.release(second);
        assert!(ports.bind(Local::Any, 80, &plain).is_ok());
    }

    #[test]
    fn reuse_is_of_those_that_agree_and_do_not_listen() {
        let mut ports = ports();
        let mut slab = Slab::new();
        let id = slab.insert(()).unwrap();
        let first = ports.bind(Local::Any, 80, &reuse(true, false)).unwrap();
        assert!(ports.bind(Local::Any, 80, &reuse(false, false)).is_err());
        let second = ports.bind(Local::Any, 80, &reuse(true, false)).unwrap();
        assert_eq!(ports.listen(first, Some(id)), Ok(()));
        assert_eq!(ports.listen(second, Some(id)), Err(Errno::EADDRINUSE));
        assert!(ports.bind(Local::Any, 80, &reuse(true, false)).is_err());
    }

    #[test]
    fn connections_keep_a_port() {
        let mut ports = ports();
        ports.add_connection(80, true).unwrap();
        assert!(ports.bind(Local::Any, 80, &reuse(false, false)).is_err());
        let claim = ports.bind(Local::Any, 80, &reuse(true, false)).unwrap();
        ports.release(claim);
        ports.add_connection(80, false).unwrap();
        assert!(ports.bind(Local::Any, 80, &reuse(true, false)).is_err());
        ports.remove_connection(80, true);
        ports.remove_connection(80, false);
        assert!(ports.bind(Local::Any, 80, &reuse(false, false)).is_ok());
        assert_eq!(ports.ports.len(), 1);
    }

    #[test]
    fn several_listeners_share() {
        let mut ports = ports();
        let mut slab = Slab::new();
        let ids: Vec<Id> = (0..3).map(|n| slab.insert(n).unwrap()).collect();
        for &id in &ids {
            let claim = ports.bind(Local::Any, 80, &reuse(false, true)).unwrap();
            ports.listen(claim, Some(id)).unwrap();
        }
        let address = IpAddress::Ipv4(Ipv4Address::LOCALHOST);
        let found: Vec<Id> = (0..3)
            .map(|spread| ports.listener(address, 80, spread).unwrap())
            .collect();
        assert_eq!(found, ids);
        assert_eq!(ports.listener(address, 81, 0), None);
    }
}
