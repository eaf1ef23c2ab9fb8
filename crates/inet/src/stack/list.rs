//! What `/proc/net/tcp` and its kin tell.

use super::{Host, Stack};
use crate::raw::Carries;
use crate::tcp::State;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use smoltcp::wire::{EthernetAddress, IpAddress, IpEndpoint, Ipv6Address, Ipv6Cidr};

/// A connection or listener, as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// This side; no address for all.
    pub local: IpEndpoint,
    /// The other side, of a connection.
    pub remote: Option<IpEndpoint>,
    /// The state's number on Linux; 10 for a listener.
    pub state: u8,
    /// Bytes that have not been acknowledged, and those that have not been
    /// read; for a listener, connections that wait and the backlog.
    pub queues: (usize, usize),
    /// Who has it, in the caller's words; `None` if nobody has.
    pub owner: Option<T>,
}

/// Segments between two ends on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub packets: u64,
    /// Bytes, with the headers that they would have.
    pub bytes: u64,
}

impl Traffic {
    /// A segment with so many bytes of data.
    pub(super) fn count(&mut self, data: usize) {
        self.count_packet(HEADERS + data);
    }

    /// A packet of so many bytes.
    pub(super) fn count_packet(&mut self, length: usize) {
        self.packets += 1;
        self.bytes += length as u64;
    }
}

/// Bytes of the headers of IPv4 and TCP.
const HEADERS: usize = 40;

/// LISTEN, as Linux numbers states.
pub const LISTEN: u8 = 10;

impl<H: Host> Stack<H> {
    /// All listeners, connections and what is left of them, with what
    /// `describe` says of who has them. `ENOMEM`.
    pub fn list<T>(&self, describe: impl Fn(&H::Observer) -> T) -> Result<Vec<Listed<T>>> {
        let mut list = Vec::new();
        let total = self.listeners.len() + self.connections.len() + self.time_wait.len();
        list.try_reserve(total).map_err(|_| Errno::ENOMEM)?;
        list.extend(self.listeners.iter().map(|(_, listener)| Listed {
            local: listener.claim.end(),
            remote: None,
            state: LISTEN,
            queues: (0, listener.ready.len()),
            owner: Some(describe(&listener.owner)),
        }));
        let slots = self.connections.iter().map(|(_, slot)| slot);
        let living = slots.filter(|slot| slot.connection.state() != State::Closed);
        list.extend(living.map(|slot| {
            let connection = &slot.connection;
            let (unread, unsent) = connection.queues();
            Listed {
                local: connection.local(),
                remote: Some(connection.remote()),
                state: connection.state().number(),
                queues: (unsent, unread),
                owner: slot.owner.as_ref().map(&describe),
            }
        }));
        list.extend(self.time_wait.iter().map(|tuple| Listed {
            local: tuple.local,
            remote: Some(tuple.remote),
            state: State::TimeWait.number(),
            queues: (0, 0),
            owner: None,
        }));
        Ok(list)
    }

    /// All sockets of a kind of datagrams that have a port, likewise: those that are
    /// connected are as if established, and others as if closed. `ENOMEM`.
    pub fn udp_list<T>(
        &self,
        is_it: impl Fn(&Carries) -> bool,
        describe: impl Fn(&H::Observer) -> T,
    ) -> Result<Vec<Listed<T>>> {
        let mut list = Vec::new();
        let total = self.sockets.len();
        list.try_reserve(total).map_err(|_| Errno::ENOMEM)?;
        let all = self.sockets.iter().map(|(_, socket)| socket);
        let all = all.filter(|socket| is_it(&socket.carries));
        list.extend(all.filter_map(|socket| {
            let own = socket.claim?.end();
            let towards = socket.peer.and_then(|peer| self.source_towards(peer));
            let is_any = own.addr.is_unspecified();
            let address = towards.filter(|_| is_any).unwrap_or(own.addr);
            let state = match socket.peer {
                Some(_) => State::Established,
                None => State::Closed,
            };
            Some(Listed {
                local: IpEndpoint::new(address, own.port),
                remote: socket.peer,
                state: state.number(),
                queues: (0, socket.held()),
                owner: Some(describe(&socket.owner)),
            })
        }));
        Ok(list)
    }

    /// What has gone between ends on this machine since the start.
    pub fn traffic(&self) -> Traffic {
        self.local
    }

    /// How many connections there are, those without a socket, and those in
    /// TIME-WAIT.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.connections.len(), self.orphans, self.time_wait.len())
    }

    /// How many packets wait for neighbours that have not answered. Walks over all
    /// neighbours.
    pub fn waiting_for_neighbours(&self) -> usize {
        self.neighbours.waiting()
    }

    /// The neighbours that are known. `ENOMEM`.
    pub fn neighbours(&self) -> Result<Vec<(IpAddress, EthernetAddress)>> {
        let mut list = Vec::new();
        for neighbour in self.neighbours.iter() {
            list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            list.push(neighbour);
        }
        Ok(list)
    }

    /// The card and its IPv4 address.
    pub fn interface(&self) -> Option<super::Interface> {
        self.interface
    }

    /// The way to an address: whether it is this machine's own, the address to
    /// call oneself, and the neighbour that is next.
    pub fn way(&self, to: IpAddress) -> Option<(bool, IpAddress, Option<IpAddress>)> {
        if self.is_own(to) {
            return Some((true, to, None));
        }
        let next = self.next_hop(to)?;
        Some((false, self.source(to)?, Some(next)))
    }

    /// The card's IPv6 addresses.
    pub fn ipv6_addresses(&self) -> impl Iterator<Item = Ipv6Cidr> {
        self.ipv6.addresses()
    }

    /// The way to other networks of IPv6.
    pub fn ipv6_router(&self) -> Option<Ipv6Address> {
        self.ipv6.router()
    }
}
