//! What `/proc/net` tells.

use super::loopback;
use super::notifier::Owner;
use super::ports::SERVICES;
use super::space::NetSpace;
use crate::drivers::virtio::net::{Card, Traffic};
use alloc::vec::Vec;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address, Ipv6Cidr};
use paddock_abi::socket::AF_INET;
use paddock_abi::{Errno, Result};
use paddock_inet::{Carries, Interface, LISTEN, Listed};

/// A listener or connection, and who has it.
pub type Connection = Listed<Owner>;

/// Listeners and connections of programs, and the ports of the kernel's own
/// services. `ENOMEM`.
pub fn list_connections(space: &NetSpace) -> Result<Vec<Connection>> {
    let mut list = space.with(|stack, _| stack.list(|notifier| notifier.owner))?;
    if !space.is_initial() {
        return Ok(list);
    }
    let service = Owner {
        ino: 0,
        uid: 0,
        family: AF_INET,
    };
    for port in SERVICES.iter() {
        list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        list.push(Connection {
            local: IpEndpoint::new(Ipv4Address::UNSPECIFIED.into(), port),
            remote: None,
            state: LISTEN,
            queues: (0, 0),
            owner: Some(service),
        });
    }
    Ok(list)
}

/// Sockets of programs for a kind of datagrams. `ENOMEM`.
pub fn list_datagram_sockets(
    space: &NetSpace,
    is_it: impl Fn(&Carries) -> bool,
) -> Result<Vec<Connection>> {
    space.with(|stack, _| stack.udp_list(is_it, |notifier| notifier.owner))
}

/// The neighbours that programs talk to, with their Ethernet addresses.
/// `ENOMEM`.
pub fn list_neighbours(space: &NetSpace) -> Result<Vec<(IpAddress, [u8; 6])>> {
    let known = space.with(|stack, _| stack.neighbours())?;
    let mut list = Vec::new();
    list.try_reserve_exact(known.len())
        .map_err(|_| Errno::ENOMEM)?;
    list.extend(known.into_iter().map(|(address, to)| (address, to.0)));
    Ok(list)
}

/// The card's IPv6 addresses. `ENOMEM`.
pub fn ipv6_addresses(space: &NetSpace) -> Result<Vec<Ipv6Cidr>> {
    let mut list = Vec::new();
    space.with(|stack, _| {
        for own in stack.ipv6_addresses() {
            list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            list.push(own);
        }
        Ok(list)
    })
}

/// The card, if there is one.
pub fn interface(space: &NetSpace) -> Option<Interface> {
    space.with(|stack, _| stack.interface())
}

/// The interfaces, with what each has received and sent.
pub fn traffic(space: &NetSpace) -> [Option<(&'static str, Traffic, Traffic)>; 2] {
    let (mut local, card) = match space.is_initial() {
        true => (loopback::traffic(), Card::traffic()),
        false => (Traffic::default(), None),
    };
    let direct = space.with(|stack, _| stack.traffic());
    local.packets += direct.packets;
    local.bytes += direct.bytes;
    [
        Some(("lo", local, local)),
        card.map(|(received, sent)| ("eth0", received, sent)),
    ]
}
