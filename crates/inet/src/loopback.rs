//! The loopback interface: whether it is up, and its addresses.

use paddock_abi::{Errno, Result};
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

/// The most addresses of the interface.
const MOST: usize = 16;
/// What it has of IPv4 once it is up, and of IPv6 (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3).
const OWN4: IpCidr = IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::LOCALHOST, 8));
const OWN6: IpCidr = IpCidr::Ipv6(Ipv6Cidr::new(Ipv6Address::LOCALHOST, 128));

/// The loopback interface of a stack.
#[derive(Clone, Debug)]
pub struct Loopback {
    is_up: bool,
    addresses: [IpCidr; MOST],
    /// How many of them there are.
    count: usize,
}

impl Loopback {
    /// One that is down and has no address, as of a new network namespace.
    pub const fn down() -> Loopback {
        Loopback {
            is_up: false,
            addresses: [OWN4; MOST],
            count: 0,
        }
    }

    /// One that is up, with 127.0.0.1/8 and ::1.
    pub const fn up() -> Loopback {
        let mut it = Self::down();
        it.is_up = true;
        it.addresses[1] = OWN6;
        it.count = 2;
        it
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Its addresses, with their networks.
    pub fn addresses(&self) -> &[IpCidr] {
        &self.addresses[..self.count]
    }

    /// Whether an address is one of it: of IPv4 all of its networks are while it is up.
    pub fn is_own(&self, address: IpAddress) -> bool {
        self.addresses().iter().any(|own| match address {
            IpAddress::Ipv4(_) if self.is_up => own.contains_addr(&address),
            _ => own.address() == address,
        })
    }

    /// Sets it up, or down. Up it has an address of each family; down it loses those of
    /// IPv6.
    ///
    /// # Errors
    /// `ENOBUFS` without room for them.
    pub fn set_up(&mut self, up: bool) -> Result<()> {
        if up && !self.is_up {
            let has_ipv4 = self.addresses().iter().any(is_ipv4);
            if !has_ipv4 {
                self.push(OWN4)?;
            }
            if !self.has(OWN6) {
                self.push(OWN6)?;
            }
        }
        if !up && self.is_up {
            self.retain(is_ipv4);
        }
        self.is_up = up;
        Ok(())
    }

    /// Adds an address. `EEXIST`, `ENOBUFS` for one too many.
    pub fn add(&mut self, address: IpCidr) -> Result<()> {
        match self.has(address) {
            true => Err(Errno::EEXIST),
            false => self.push(address),
        }
    }

    /// Takes an address away. `EADDRNOTAVAIL`.
    pub fn remove(&mut self, address: IpCidr) -> Result<()> {
        if !self.has(address) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        self.retain(|own| !is_same(own, &address));
        Ok(())
    }

    fn has(&self, address: IpCidr) -> bool {
        self.addresses().iter().any(|own| is_same(own, &address))
    }

    fn push(&mut self, address: IpCidr) -> Result<()> {
        let place = self.addresses.get_mut(self.count).ok_or(Errno::ENOBUFS)?;
        *place = address;
        self.count += 1;
        Ok(())
    }

    fn retain(&mut self, keep: impl Fn(&IpCidr) -> bool) {
        let mut count = 0;
        for at in 0..self.count {
            let address = self.addresses[at];
            if keep(&address) {
                self.addresses[count] = address;
                count += 1;
            }
        }
        self.count = count;
    }
}

fn is_ipv4(address: &IpCidr) -> bool {
    matches!(address, IpCidr::Ipv4(_))
}

/// Whether two stand for the same entry: an address of IPv6 is there once, whatever its
/// network; one of IPv4 once in each.
fn is_same(one: &IpCidr, other: &IpCidr) -> bool {
    match one {
        IpCidr::Ipv4(_) => one == other,
        IpCidr::Ipv6(_) => one.address() == other.address(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddress {
        text.parse::<core::net::IpAddr>().unwrap().into()
    }

    fn cidr(text: &str, bits: u8) -> IpCidr {
        IpCidr::new(ip(text), bits)
    }

    #[test]
    fn networks_are_its_own_while_it_is_up() {
        let mut it = Loopback::down();
        assert!(!it.is_own(ip("127.0.0.1")));
        it.add(cidr("127.0.0.1", 8)).unwrap();
        assert!(it.is_own(ip("127.0.0.1")) && !it.is_own(ip("127.1.2.3")));
        it.set_up(true).unwrap();
        assert!(it.is_own(ip("127.1.2.3")) && it.is_own(ip("::1")));
        assert_eq!(it.addresses(), Loopback::up().addresses());
        it.set_up(false).unwrap();
        assert_eq!(it.addresses(), [OWN4]);
        assert!(it.is_own(ip("127.0.0.1")) && !it.is_own(ip("127.1.2.3")));
    }

    #[test]
    fn addresses_come_and_go() {
        let mut it = Loopback::up();
        assert_eq!(it.add(cidr("127.0.0.1", 8)), Err(Errno::EEXIST));
        it.add(cidr("10.1.0.1", 16)).unwrap();
        it.add(cidr("fd00::1", 64)).unwrap();
        assert!(it.is_own(ip("10.1.9.9")) && !it.is_own(ip("10.2.0.1")));
        assert!(it.is_own(ip("fd00::1")) && !it.is_own(ip("fd00::2")));
        it.remove(cidr("10.1.0.1", 16)).unwrap();
        assert_eq!(it.remove(cidr("10.1.0.1", 16)), Err(Errno::EADDRNOTAVAIL));
        assert!(!it.is_own(ip("10.1.9.9")) && it.is_own(ip("fd00::1")));
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut it = Loopback::down();
        let results: Vec<_> = (1..=17)
            .map(|n| it.add(cidr(&format!("10.0.0.{n}"), 32)))
            .collect();
        assert!(results[..16].iter().all(Result::is_ok));
        assert_eq!(results[16], Err(Errno::ENOBUFS));
        assert_eq!(it.set_up(true), Err(Errno::ENOBUFS));
        assert!(!it.is_up());
    }
}
