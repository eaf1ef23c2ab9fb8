//! Socket addresses: ip(7), unix(7).

use crate::arch::user_access::copy_to_user;
use crate::net::interfaces::CARD;
use crate::user_memory::{UserPtr, read_bytes};
use alloc::vec::Vec;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address, Ipv6Address};
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_inet::Local;
use paddock_unix_sockets::Name;
use zerocopy::IntoBytes;

/// The longest address.
const MAX: u32 = 128;
/// Bytes before a local socket's name.
const FAMILY: usize = 2;

/// An address that a program gave.
pub enum Address {
    /// None: a connection is to be undone.
    Unspecified,
    /// An address and port; IPv4 inside IPv6 is IPv4.
    Inet(IpEndpoint),
    /// A local name: a path, or an abstract name with its zero byte.
    Unix(Vec<u8>),
    /// Netlink: whom, and groups.
    Netlink { port: u32, groups: u32 },
}

impl Address {
    /// Reads an address for a socket of `family`. `EFAULT`; `EINVAL` if it is
    /// too short or too long, or of another family; `EAFNOSUPPORT`.
    pub fn read(family: u16, pointer: u64, length: u32) -> Result<Address> {
        if length < FAMILY as u32 || length > MAX {
            return Err(Errno::EINVAL);
        }
        let bytes = read_bytes(pointer, length as usize)?;
        let rest = &bytes[FAMILY..];
        match (family, u16::from_le_bytes([bytes[0], bytes[1]])) {
            (_, AF_UNSPEC) => Ok(Address::Unspecified),
            (AF_INET, AF_INET) if length < SOCKADDR_IN => Err(Errno::EINVAL),
            (AF_INET, AF_INET) => {
                let [port @ .., a, b, c, d] = *rest.first_chunk::<6>().ok_or(Errno::EINVAL)?;
                let address = IpAddress::Ipv4(Ipv4Address::new(a, b, c, d));
                Ok(Address::Inet(IpEndpoint::new(
                    address,
                    u16::from_be_bytes(port),
                )))
            }
            (AF_INET6, AF_INET6) => {
                let port = *rest.first_chunk::<2>().ok_or(Errno::EINVAL)?;
                let octets = rest
                    .get(6..)
                    .and_then(|rest| rest.first_chunk::<16>())
                    .ok_or(Errno::EINVAL)?;
                let address = Ipv6Address::from(*octets);
                let scope = rest.get(22..).and_then(|rest| rest.first_chunk::<4>());
                check_scope(address, scope.map_or(0, |scope| u32::from_le_bytes(*scope)))?;
                let address = plain(address);
                Ok(Address::Inet(IpEndpoint::new(
                    address,
                    u16::from_be_bytes(port),
                )))
            }
            (AF_UNIX, AF_UNIX) if length as usize <= size_of::<SockaddrUn>() => {
                Ok(Address::Unix(rest.to_vec()))
            }
            (AF_NETLINK, AF_NETLINK) => {
                let [_, _, a, b, c, d, e, f, g, h] =
                    *rest.first_chunk::<10>().ok_or(Errno::EINVAL)?;
                Ok(Address::Netlink {
                    port: u32::from_le_bytes([a, b, c, d]),
                    groups: u32::from_le_bytes([e, f, g, h]),
                })
            }
            (AF_UNIX | AF_NETLINK, _) => Err(Errno::EINVAL),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }
}

/// The address that is meant: IPv4 inside IPv6 is IPv4.
fn plain(address: Ipv6Address) -> IpAddress {
    match address.to_ipv4_mapped() {
        Some(address) => IpAddress::Ipv4(address),
        None => IpAddress::Ipv6(address),
    }
}

/// The interface of an address that is of a link alone: `EINVAL` if it is not
/// said, `ENODEV` if it is none.
fn check_scope(address: Ipv6Address, scope: u32) -> Result<()> {
    match (address.is_unicast_link_local(), scope) {
        (false, _) | (true, CARD) => Ok(()),
        (true, 0) => Err(Errno::EINVAL),
        (true, _) => Err(Errno::ENODEV),
    }
}

/// The path of a local name; `None` for an abstract one.
pub fn path_of(name: &[u8]) -> Option<&[u8]> {
    let end = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    if end == 0 && !name.is_empty() {
        None
    } else {
        Some(&name[..end])
    }
}

/// What to bind to for an address; `any` is what the socket can be bound to.
/// `EINVAL` for IPv4 with IPV6_V6ONLY.
pub fn local(address: IpAddress, any: Local) -> Result<Local> {
    match address {
        IpAddress::Ipv4(_) if any == Local::AnyIpv6 => Err(Errno::EINVAL),
        IpAddress::Ipv4(address) if address.is_unspecified() => Ok(Local::AnyIpv4),
        IpAddress::Ipv6(address) if address.is_unspecified() => Ok(any),
        address => Ok(Local::One(address)),
    }
}

/// Connecting to no address means this machine.
pub fn reachable(endpoint: IpEndpoint) -> IpEndpoint {
    let address = match endpoint.addr {
        IpAddress::Ipv4(address) if address.is_unspecified() => Ipv4Address::LOCALHOST.into(),
        IpAddress::Ipv6(address) if address.is_unspecified() => Ipv6Address::LOCALHOST.into(),
        address => address,
    };
    IpEndpoint::new(address, endpoint.port)
}

/// An address and port as programs read them from a socket of `family`.
pub fn inet_bytes(family: u16, endpoint: IpEndpoint) -> Vec<u8> {
    match (family, endpoint.addr) {
        (AF_INET6, IpAddress::Ipv4(address)) => {
            inet6_bytes(address.to_ipv6_mapped(), endpoint.port)
        }
        (_, IpAddress::Ipv6(address)) => inet6_bytes(address, endpoint.port),
        (_, IpAddress::Ipv4(address)) => {
            let sockaddr = SockaddrIn {
                sin_family: AF_INET,
                sin_port: endpoint.port.to_be_bytes(),
                sin_addr: address.octets(),
                sin_zero: [0; 8],
            };
            sockaddr.as_bytes().to_vec()
        }
    }
}

fn inet6_bytes(address: Ipv6Address, port: u16) -> Vec<u8> {
    let sockaddr = SockaddrIn6 {
        sin6_family: AF_INET6,
        sin6_port: port.to_be_bytes(),
        sin6_flowinfo: 0,
        sin6_addr: address.octets(),
        sin6_scope_id: if address.is_unicast_link_local() {
            CARD
        } else {
            0
        },
    };
    sockaddr.as_bytes().to_vec()
}

/// A `struct sockaddr_nl`.
pub fn netlink_bytes(port: u32) -> Vec<u8> {
    let mut bytes = [0; 12];
    bytes[..2].copy_from_slice(&AF_NETLINK.to_le_bytes());
    bytes[4..8].copy_from_slice(&port.to_le_bytes());
    bytes.to_vec()
}

/// A local name as programs read it.
pub fn unix_bytes(name: Option<&Name>) -> Vec<u8> {
    let mut bytes = AF_UNIX.to_le_bytes().to_vec();
    if let Some(name) = name {
        bytes.extend_from_slice(name.bytes());
        // A path ends with a zero byte, where there is room for it.
        if !name.is_abstract() {
            bytes.push(0);
        }
    }
    bytes.truncate(size_of::<SockaddrUn>());
    bytes
}

/// Stores an address where `pointer` and the length at `length` say, cut to
/// the room there is; the length becomes the whole one. Null is no wish.
/// `EFAULT`, `EINVAL`.
pub fn write(pointer: u64, length: u64, bytes: &[u8]) -> Result<()> {
    if pointer == 0 {
        return Ok(());
    }
    let place = UserPtr::<i32>::new(length);
    let room = usize::try_from(place.read()?).map_err(|_| Errno::EINVAL)?;
    copy_to_user(pointer, &bytes[..bytes.len().min(room)])?;
    place.write(&(bytes.len() as i32))
}
