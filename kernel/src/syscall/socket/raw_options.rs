//! Options of sockets for datagrams and packets: ip(7), raw(7), RFC 3542.

use super::Call;
use crate::net::udp::UdpSocket;
use crate::user_memory::read_bytes;
use alloc::vec::Vec;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_inet::Packets;

/// Bytes of ICMP_FILTER and of ICMP6_FILTER.
const FILTER: (usize, usize) = (4, 32);

/// Whether an option is ICMP_FILTER or ICMP6_FILTER.
pub fn is_filter(level: u32, option: u32) -> bool {
    [IPPROTO_RAW, IPPROTO_ICMPV6].contains(&level) && option == ICMP_FILTER
}

/// Sets IP_RECVERR or IPV6_RECVERR. Whether the option is one of them.
pub fn set_failures(socket: &UdpSocket, level: u32, option: u32, on: bool) -> bool {
    match (level, option) {
        (IPPROTO_IP, IP_RECVERR) => socket.set(|settings| settings.failures = on),
        (IPPROTO_IPV6, IPV6_RECVERR) => socket.set(|settings| settings.failures6 = on),
        _ => return false,
    }
    true
}

/// Reads them back.
pub fn failures(socket: &UdpSocket, level: u32, option: u32) -> Option<bool> {
    let settings = socket.settings();
    match (level, option) {
        (IPPROTO_IP, IP_RECVERR) => Some(settings.failures),
        (IPPROTO_IPV6, IPV6_RECVERR) => Some(settings.failures6),
        _ => None,
    }
}

/// Whether an option is another of sockets for packets.
pub fn is_known(level: u32, option: u32) -> bool {
    let checksum = [IPPROTO_RAW, IPPROTO_IPV6].contains(&level) && option == IPV6_CHECKSUM;
    checksum || (level, option) == (IPPROTO_IP, IP_HDRINCL)
}

/// What a filter is about. `ENOPROTOOPT`, and `EOPNOTSUPP` for another protocol.
fn filtered(socket: &UdpSocket, level: u32) -> Result<Packets> {
    let packets = socket.packets().ok_or(Errno::ENOPROTOOPT)?;
    let is_ipv6 = level == IPPROTO_ICMPV6;
    let protocol = if is_ipv6 {
        IPPROTO_ICMPV6
    } else {
        IPPROTO_ICMP
    };
    match u32::from(socket.protocol) == protocol && packets.is_ipv6 == is_ipv6 {
        true => Ok(packets),
        false => Err(Errno::EOPNOTSUPP),
    }
}

/// Sets a filter: a bit for each type that is not to be heard. What is not said stays as
/// it is.
pub fn set_filter(call: &Call<'_>, socket: &UdpSocket, level: u32) -> Result<u64> {
    let mut filter = filtered(socket, level)?.filter;
    let most = if level == IPPROTO_RAW {
        FILTER.0
    } else {
        FILTER.1
    };
    let bytes = read_bytes(call.word(3), (call.uint(4) as usize).min(most))?;
    for (index, &byte) in bytes.iter().enumerate() {
        let shift = 8 * (index % 4);
        let word = &mut filter[index / 4];
        *word = *word & !(0xff << shift) | u32::from(byte) << shift;
    }
    socket.set_packets(|packets| packets.filter = filter);
    Ok(0)
}

/// Reads a filter back. The errors of setting it; `ENOMEM`.
pub fn filter(socket: &UdpSocket, level: u32) -> Result<Vec<u8>> {
    let filter = filtered(socket, level)?.filter;
    let most = if level == IPPROTO_RAW {
        FILTER.0
    } else {
        FILTER.1
    };
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(FILTER.1)
        .map_err(|_| Errno::ENOMEM)?;
    bytes.extend(filter.iter().flat_map(|word| word.to_le_bytes()));
    bytes.truncate(most);
    Ok(bytes)
}

/// IP_HDRINCL or IPV6_CHECKSUM of a socket. `ENOPROTOOPT`.
fn packets(socket: &UdpSocket, option: u32) -> Result<Packets> {
    let packets = socket.packets().ok_or(Errno::ENOPROTOOPT)?;
    match packets.is_ipv6 == (option == IPV6_CHECKSUM) {
        true => Ok(packets),
        false => Err(Errno::ENOPROTOOPT),
    }
}

/// Sets one of them. `EINVAL` for a checksum at an odd place.
pub fn set(socket: &UdpSocket, option: u32, value: u32) -> Result<u64> {
    packets(socket, option)?;
    if option == IP_HDRINCL {
        socket.set_packets(|packets| packets.has_header = value != 0);
        return Ok(0);
    }
    let place = match value as i32 {
        ..0 => None,
        place if place % 2 != 0 => return Err(Errno::EINVAL),
        place => Some(u16::try_from(place).map_err(|_| Errno::EINVAL)?),
    };
    socket.set_packets(|packets| packets.checksum_at = place);
    Ok(0)
}

/// Reads one of them back. Datagrams never have headers.
pub fn get(socket: &UdpSocket, option: u32) -> Result<u32> {
    if option == IP_HDRINCL && socket.packets().is_none() {
        return Ok(0);
    }
    let packets = packets(socket, option)?;
    Ok(match option {
        IP_HDRINCL => u32::from(packets.has_header),
        _ => packets.checksum_at.map_or(u32::MAX, u32::from),
    })
}
