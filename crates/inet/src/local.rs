//! [`Local`]: the addresses that a socket is bound to.

use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

/// The addresses of this machine that a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// All of both families: `::` without IPV6_V6ONLY.
    Any,
    /// All of IPv4.
    AnyIpv4,
    /// All of IPv6.
    AnyIpv6,
    /// This one.
    One(IpAddress),
}

impl Local {
    /// Whether an address is among them.
    pub fn includes(self, address: IpAddress) -> bool {
        match self {
            Local::Any => true,
            Local::AnyIpv4 => matches!(address, IpAddress::Ipv4(_)),
            Local::AnyIpv6 => matches!(address, IpAddress::Ipv6(_)),
            Local::One(one) => one == address,
        }
    }

    /// Whether an address can be of both.
    pub fn overlaps(self, other: Local) -> bool {
        match (self, other) {
            (Local::One(address), other) | (other, Local::One(address)) => other.includes(address),
            (Local::AnyIpv4, Local::AnyIpv6) | (Local::AnyIpv6, Local::AnyIpv4) => false,
            _ => true,
        }
    }

    /// All that have an address among them, the narrowest first.
    pub fn of(address: IpAddress) -> [Local; 3] {
        let family = match address {
            IpAddress::Ipv4(_) => Local::AnyIpv4,
            IpAddress::Ipv6(_) => Local::AnyIpv6,
        };
        [Local::One(address), family, Local::Any]
    }

    /// The address, as getsockname(2) tells it: no certain one is all zeroes.
    pub fn address(self) -> IpAddress {
        match self {
            Local::One(address) => address,
            Local::AnyIpv4 => IpAddress::Ipv4(Ipv4Address::UNSPECIFIED),
            Local::Any | Local::AnyIpv6 => IpAddress::Ipv6(Ipv6Address::UNSPECIFIED),
        }
    }

    /// The only address, if there is but one.
    pub fn one(self) -> Option<IpAddress> {
        match self {
            Local::One(address) => Some(address),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_apart_unless_both_are_meant() {
        let (four, six) = (Ipv4Address::LOCALHOST.into(), Ipv6Address::LOCALHOST.into());
        let all = [
            Local::Any,
            Local::AnyIpv4,
            Local::AnyIpv6,
            Local::One(four),
            Local::One(six),
        ];
        for one in all {
            for other in all {
                let shared = [four, six].map(|it| one.includes(it) && other.includes(it));
                assert_eq!(
                    one.overlaps(other),
                    shared.contains(&true),
                    "{one:?} {other:?}"
                );
            }
            for address in [four, six] {
                assert_eq!(Local::of(address).contains(&one), one.includes(address));
            }
        }
    }
}
