//! Which addresses are whose.

use embassy_net::{IpAddress, Ipv4Address, Ipv6Address};

/// Whether an address leads back to this machine wherever it is used.
pub fn is_loopback(address: IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => address.is_loopback(),
        IpAddress::Ipv6(address) => address.is_loopback(),
    }
}

/// The loopback interface's own address of the same family: the one that
/// all local addresses are reached by.
pub fn loopback_of(address: IpAddress) -> IpAddress {
    match address {
        IpAddress::Ipv4(_) => IpAddress::Ipv4(Ipv4Address::LOCALHOST),
        IpAddress::Ipv6(_) => IpAddress::Ipv6(Ipv6Address::LOCALHOST),
    }
}

/// An IPv4 address in IPv6's clothes (RFC 4291, 2.5.5.2) as what it is.
pub fn plain(address: IpAddress) -> IpAddress {
    match address {
        IpAddress::Ipv6(mapped) => mapped.to_ipv4_mapped().map_or(address, IpAddress::Ipv4),
        IpAddress::Ipv4(_) => address,
    }
}
