//! What goes with a datagram, as control data: ip(7), ipv6(7), RFC 3542.

use super::control::Control;
use crate::net::interfaces::{CARD, LOOPBACK};
use crate::net::udp::{Arrival, Chosen, UdpSocket};
use embassy_net::IpAddress;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_inet::mapped_octets;
use paddock_unix_sockets::Switch;
use smoltcp::wire::{Ipv4Address, Ipv6Address};

/// Bytes of `struct in_pktinfo` and of `struct in6_pktinfo`.
const INFO: (usize, usize) = (12, 20);

/// Tells what the socket's owner wants to know of a datagram. `EFAULT`.
pub fn put(control: &mut Control, socket: &UdpSocket, arrival: &Arrival) -> Result<()> {
    let is_on = |switch| socket.options.is_on(switch);
    let (hops, class) = (i32::from(arrival.hops), i32::from(arrival.class));
    if is_on(Switch::PacketInfo6) {
        control.put_of(IPPROTO_IPV6, IPV6_PKTINFO, &info6(socket, arrival))?;
    }
    match arrival.to {
        IpAddress::Ipv4(to) => {
            if is_on(Switch::PacketInfo) {
                control.put_of(IPPROTO_IP, IP_PKTINFO, &info(socket, arrival, to))?;
            }
            if is_on(Switch::ReceiveTtl) {
                control.put_of(IPPROTO_IP, IP_TTL, &hops.to_le_bytes())?;
            }
            if is_on(Switch::ReceiveTos) {
                control.put_of(IPPROTO_IP, IP_TOS, &[arrival.class])?;
            }
        }
        IpAddress::Ipv6(_) => {
            if is_on(Switch::ReceiveHops) {
                control.put_of(IPPROTO_IPV6, IPV6_HOPLIMIT, &hops.to_le_bytes())?;
            }
            if is_on(Switch::ReceiveClass) {
                control.put_of(IPPROTO_IPV6, IPV6_TCLASS, &class.to_le_bytes())?;
            }
        }
    }
    Ok(())
}

/// The interface that a datagram came by: what is from this machine was on no wire.
fn interface(socket: &UdpSocket, arrival: &Arrival) -> u32 {
    match socket.is_looped(arrival) {
        true => LOOPBACK,
        false => CARD,
    }
}

/// `struct in_pktinfo`: the interface, the address to answer from, the address that it
/// was sent to.
fn info(socket: &UdpSocket, arrival: &Arrival, to: Ipv4Address) -> [u8; INFO.0] {
    let answer = match socket.answers_from(arrival) {
        IpAddress::Ipv4(address) => address,
        IpAddress::Ipv6(_) => to,
    };
    let mut bytes = [0; INFO.0];
    bytes[..4].copy_from_slice(&interface(socket, arrival).to_le_bytes());
    bytes[4..8].copy_from_slice(&answer.octets());
    bytes[8..].copy_from_slice(&to.octets());
    bytes
}

/// `struct in6_pktinfo`: the address that it was sent to, the interface.
fn info6(socket: &UdpSocket, arrival: &Arrival) -> [u8; INFO.1] {
    let mut bytes = [0; INFO.1];
    bytes[..16].copy_from_slice(&mapped_octets(arrival.to));
    bytes[16..].copy_from_slice(&interface(socket, arrival).to_le_bytes());
    bytes
}

/// Takes in a piece of control data of a datagram that is to be sent. Those of other
/// levels say nothing to it.
///
/// # Errors
/// `EINVAL` for another piece and for a value that cannot be, `ENODEV` for an
/// interface that is not there.
pub fn choose(chosen: &mut Chosen, family: u16, level: u32, kind: u32, data: &[u8]) -> Result<()> {
    match (level, kind) {
        (IPPROTO_IP, IP_PKTINFO) => {
            let (index, rest) = data.split_first_chunk().ok_or(Errno::EINVAL)?;
            let (source, to) = rest.split_first_chunk().ok_or(Errno::EINVAL)?;
            if to.len() != size_of::<Ipv4Address>() {
                return Err(Errno::EINVAL);
            }
            let source = Ipv4Address::from_octets(*source);
            choose_source(chosen, source.into(), u32::from_le_bytes(*index))
        }
        (IPPROTO_IPV6, IPV6_PKTINFO) if family == AF_INET6 => {
            let (source, rest) = data.split_first_chunk().ok_or(Errno::EINVAL)?;
            let index = rest.first_chunk().ok_or(Errno::EINVAL)?;
            let source = Ipv6Address::from_octets(*source);
            let source = match source.to_ipv4_mapped() {
                Some(source) => source.into(),
                None => source.into(),
            };
            choose_source(chosen, source, u32::from_le_bytes(*index))
        }
        (IPPROTO_IP, IP_TTL) => {
            chosen.hops = Some(hops(number(data)?)?);
            Ok(())
        }
        (IPPROTO_IP, IP_TOS) => {
            let value = match data {
                [value] => i32::from(*value),
                _ => number(data)?,
            };
            chosen.class = Some(u8::try_from(value).map_err(|_| Errno::EINVAL)?);
            Ok(())
        }
        (IPPROTO_IPV6, IPV6_HOPLIMIT) if family == AF_INET6 => {
            chosen.hops = match number(data)? {
                -1 => None,
                value => Some(hops(value)?),
            };
            Ok(())
        }
        (IPPROTO_IPV6, IPV6_TCLASS) if family == AF_INET6 => {
            chosen.class = match number(data)? {
                -1 => None,
                class => Some(u8::try_from(class).map_err(|_| Errno::EINVAL)?),
            };
            Ok(())
        }
        (IPPROTO_IP, _) => Err(Errno::EINVAL),
        (IPPROTO_IPV6, _) if family == AF_INET6 => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

fn choose_source(chosen: &mut Chosen, source: IpAddress, index: u32) -> Result<()> {
    if ![0, LOOPBACK, CARD].contains(&index) {
        return Err(Errno::ENODEV);
    }
    chosen.source = (!source.is_unspecified()).then_some(source);
    Ok(())
}

fn number(data: &[u8]) -> Result<i32> {
    let bytes = data.try_into().map_err(|_| Errno::EINVAL)?;
    Ok(i32::from_le_bytes(bytes))
}

/// A number of hops, which is not zero.
fn hops(value: i32) -> Result<u8> {
    let hops = u8::try_from(value).ok().filter(|&hops| hops != 0);
    hops.ok_or(Errno::EINVAL)
}
