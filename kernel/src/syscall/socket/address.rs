//! Socket addresses: ip(7), unix(7).

use crate::arch::user_access::copy_to_user;
use crate::user_memory::{UserPtr, read_bytes};
use alloc::vec::Vec;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address};
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
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
    /// IPv4.
    Inet(IpEndpoint),
    /// A local name: a path, or an abstract name with its zero byte.
    Unix(Vec<u8>),
}

impl Address {
    /// Reads an address. `EFAULT`; `EINVAL` if it is too short or too long;
    /// `EAFNOSUPPORT`.
    pub fn read(pointer: u64, length: u32) -> Result<Address> {
        if length < FAMILY as u32 || length > MAX {
            return Err(Errno::EINVAL);
        }
        let bytes = read_bytes(pointer, length as usize)?;
        match u16::from_le_bytes([bytes[0], bytes[1]]) {
            AF_UNSPEC => Ok(Address::Unspecified),
            AF_INET => {
                let rest = bytes.get(2..8).ok_or(Errno::EINVAL)?;
                let address = Ipv4Address::new(rest[2], rest[3], rest[4], rest[5]);
                let port = u16::from_be_bytes([rest[0], rest[1]]);
                Ok(Address::Inet(IpEndpoint::new(IpAddress::Ipv4(address), port)))
            }
            AF_UNIX if length as usize <= size_of::<SockaddrUn>() => {
                Ok(Address::Unix(bytes[FAMILY..].to_vec()))
            }
            AF_UNIX => Err(Errno::EINVAL),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }
}

/// The path of a local name; `None` for an abstract one.
pub fn path_of(name: &[u8]) -> Option<&[u8]> {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    if end == 0 && !name.is_empty() { None } else { Some(&name[..end]) }
}

/// The address to bind to; `None` for any.
pub fn specified(address: IpAddress) -> Option<IpAddress> {
    match address {
        IpAddress::Ipv4(address) if address.is_unspecified() => None,
        address => Some(address),
    }
}

/// Connecting to no address means this machine.
pub fn reachable(endpoint: IpEndpoint) -> IpEndpoint {
    let address = specified(endpoint.addr).unwrap_or(IpAddress::Ipv4(Ipv4Address::LOCALHOST));
    IpEndpoint::new(address, endpoint.port)
}

/// An IPv4 address as programs read it.
pub fn inet_bytes(endpoint: IpEndpoint) -> Vec<u8> {
    let address = match endpoint.addr {
        IpAddress::Ipv4(address) => address.octets(),
        IpAddress::Ipv6(_) => [0; 4],
    };
    let sockaddr = SockaddrIn {
        sin_family: AF_INET,
        sin_port: endpoint.port.to_be_bytes(),
        sin_addr: address,
        sin_zero: [0; 8],
    };
    sockaddr.as_bytes().to_vec()
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
