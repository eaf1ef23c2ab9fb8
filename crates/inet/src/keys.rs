//! Secrets: of hashes, of first sequence numbers (RFC 6528) and of ports
//! (RFC 6056).

use crate::seq::Seq;
use core::hash::{BuildHasher, Hash, Hasher};
use siphasher::sip::SipHasher13;
use smoltcp::wire::{IpAddress, IpEndpoint};

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// This side.
    pub local: IpEndpoint,
    /// The other side.
    pub remote: IpEndpoint,
}

impl Hash for Tuple {
    /// In one piece: a packet's way to its connection begins here.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = [self.local.port, self.remote.port].map(u16::to_ne_bytes);
        match (self.local.addr, self.remote.addr) {
            (IpAddress::Ipv4(local), IpAddress::Ipv4(remote)) => {
                let mut bytes = [0; 12];
                bytes[..4].copy_from_slice(&local.octets());
                bytes[4..8].copy_from_slice(&remote.octets());
                bytes[8..].copy_from_slice(ports.as_flattened());
                state.write(&bytes);
            }
            (local, remote) => {
                let mut bytes = [0; 36];
                bytes[..16].copy_from_slice(&mapped_octets(local));
                bytes[16..32].copy_from_slice(&mapped_octets(remote));
                bytes[32..].copy_from_slice(ports.as_flattened());
                state.write(&bytes);
            }
        }
    }
}

/// An address with room for any (RFC 4291, 2.5.5.2).
pub fn mapped_octets(address: IpAddress) -> [u8; 16] {
    match address {
        IpAddress::Ipv4(address) => address.to_ipv6_mapped().octets(),
        IpAddress::Ipv6(address) => address.octets(),
    }
}

/// What nobody outside knows.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    table: (u64, u64),
    numbers: (u64, u64),
    ports: (u64, u64),
    cookies: (u64, u64),
}

/// Hashes with a secret, so that nobody can fill one chain of a table.
#[derive(Clone, Copy, Debug)]
pub struct TableHasher((u64, u64));

impl BuildHasher for TableHasher {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0.0, self.0.1)
    }
}

fn hash(key: (u64, u64), value: &impl Hash) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key.0, key.1);
    value.hash(&mut hasher);
    hasher.finish()
}

impl Keys {
    /// Secrets out of random numbers.
    pub fn new(mut random: impl FnMut() -> u64) -> Keys {
        let mut pair = || (random(), random());
        Keys {
            table: pair(),
            numbers: pair(),
            ports: pair(),
            cookies: pair(),
        }
    }

    /// For tables.
    pub fn hasher(&self) -> TableHasher {
        TableHasher(self.table)
    }

    /// A number that spreads connections over those who want them.
    pub fn spread(&self, tuple: &Tuple) -> usize {
        hash(self.table, tuple) as usize
    }

    /// The first number of a connection (RFC 6528, 3): a clock, and an offset
    /// of its own for each pair of ends.
    pub fn first_number(&self, tuple: &Tuple, now: u64) -> Seq {
        let clock = (now >> 8) as u32;
        Seq(clock.wrapping_add(hash(self.numbers, tuple) as u32))
    }

    /// What a beginning is remembered by.
    pub fn cookie(&self, tuple: &Tuple, first: Seq, period: u64, size: usize) -> u64 {
        hash(self.cookies, &(tuple, first.0, period, size))
    }

    /// What a connection's timestamps are ahead by (RFC 7323, 7.1): one for
    /// each pair of addresses, so that they never go back.
    pub fn clock_offset(&self, tuple: &Tuple) -> u32 {
        hash(self.ports, &(tuple.local.addr, tuple.remote.addr)) as u32
    }

    /// Where the search for a port to somebody begins (RFC 6056, 3.3.3).
    pub fn first_port(&self, remote: &IpEndpoint) -> u32 {
        hash(self.ports, remote) as u32
    }
}
