//! [`Stack`]: connections and listeners together, and the ways between them.

mod calls;
mod datagrams;
mod floods;
mod flow;
mod ipv6;
mod link;
mod list;
mod raw;

use crate::autoconfiguration::Autoconfiguration;
use crate::fragments::Fragments;
use crate::keys::{Keys, TableHasher, Tuple};
use crate::listener::Listener;
use crate::loopback::Loopback;
use crate::neighbours::Neighbours;
use crate::offload::{Offloads, Unfinished};
use crate::ports::Ports;
use crate::segment::Header;
use crate::slab::{Id, Slab};
use crate::tcp::{Connection, Origin};
use crate::time_wait::TimeWait;
use crate::udp::Socket;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use datagrams::Messages;
use hashbrown::HashMap;
use paddock_abi::{Errno, Result};
use paddock_sched::Deadlines;
use paddock_sync::{Ready, try_box};
use raw::Others;
use smoltcp::wire::{EthernetAddress, IpAddress, IpEndpoint, Ipv4Address, Ipv4Cidr};

pub use datagrams::{Arrived, Datagrams, Delivery};
pub use link::Burst;
pub use list::{LISTEN, Listed, Traffic};

/// The most connections at once.
const MOST: usize = 1 << 17;
/// Bytes of the largest IP packet between two ends on this machine.
const LOCAL_MTU: usize = 65535;
/// Segments without data that may wait to be delivered on this machine.
const MOST_BARE: usize = 1024;

/// Who is told when a connection or listener changes.
pub trait Observer {
    /// Something of `ready` may be so now that was not. Called within calls of
    /// the stack, hence it must not use that.
    fn changed(&self, ready: Ready);
}

impl<O: Observer> Observer for Arc<O> {
    fn changed(&self, ready: Ready) {
        (**self).changed(ready);
    }
}

/// What the stack needs of the machine.
pub trait Host {
    /// Who has a connection or listener.
    type Observer: Observer;

    /// Sends an Ethernet frame of `length` bytes, which `fill` writes, and has
    /// the card finish it first. One that does not fit is lost.
    fn send_frame(
        &mut self,
        length: usize,
        unfinished: Option<Unfinished>,
        fill: &mut dyn FnMut(&mut [u8]),
    );

    /// Hands an IP packet of `length` bytes, which `fill` writes, to the
    /// services of the kernel itself on this machine.
    fn send_to_services(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8]));

    /// Whether a TCP port is such a service's.
    fn is_service(&self, port: u16) -> bool;

    /// Whether a UDP port is such a service's.
    fn is_udp_service(&self, port: u16) -> bool;

    /// A random number.
    fn random(&mut self) -> u64;
}

/// The network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The card's own address.
    pub hardware: EthernetAddress,
    /// Bytes of the largest IP packet.
    pub mtu: usize,
    /// Its IPv4 address, if it has one.
    pub ipv4: Option<Ipv4>,
    /// What it does in place of the stack.
    pub offloads: Offloads,
}

/// An IPv4 address of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    /// The address and its network.
    pub address: Ipv4Cidr,
    /// The way to other networks.
    pub gateway: Option<Ipv4Address>,
}

/// How segments of a connection travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// To another connection of this stack.
    Local,
    /// To a service of the kernel.
    Service,
    /// Through the card.
    Link,
}

/// A connection with what the stack knows of it.
struct Slot<O> {
    connection: Connection,
    owner: Option<O>,
    /// The listener that it has not been accepted from.
    parent: Option<Id>,
    /// It counts among those on their way to the parent.
    is_on_its_way: bool,
    path: Path,
    /// The connection at the other end, if it is on this machine and known.
    peer: Option<Id>,
    /// It is on the list of those that are due.
    is_due: bool,
    /// It is in the table.
    is_known: bool,
    /// Its port may be bound by others meanwhile.
    shares: bool,
    /// Its entry in the heap of deadlines.
    deadline: u64,
}

/// An Internet stack.
pub struct Stack<H: Host> {
    host: H,
    keys: Keys,
    connections: Slab<Box<Slot<H::Observer>>>,
    table: HashMap<Tuple, Id, TableHasher>,
    listeners: Slab<Listener<H::Observer>>,
    ports: Ports,
    time_wait: TimeWait,
    sockets: Slab<Box<Socket<H::Observer>>>,
    udp_ports: Ports,
    /// Those of UDP-Lite.
    lite_ports: Ports,
    /// Sockets for packets and echoes.
    others: Others,
    fragments: Fragments,
    /// ICMP messages that may be sent in this second.
    messages: Messages,
    /// Connections that may have something to send or tell: each once, with
    /// room for all.
    due: Vec<u32>,
    /// What is due is to be sent before another packet is looked at.
    at_once: bool,
    /// Segments without data for this machine.
    bare: Vec<Header>,
    deadlines: Deadlines,
    loopback: Loopback,
    interface: Option<Interface>,
    ipv6: Autoconfiguration,
    neighbours: Neighbours,
    orphans: usize,
    local: Traffic,
    /// Where the next search for a port begins.
    next_port: u32,
}

impl<H: Host> Stack<H> {
    /// One without connections.
    pub fn new(mut host: H) -> Stack<H> {
        let keys = Keys::new(|| host.random());
        Stack {
            host,
            connections: Slab::new(),
            table: HashMap::with_hasher(keys.hasher()),
            listeners: Slab::new(),
            ports: Ports::new(keys.hasher()),
            time_wait: TimeWait::new(keys.hasher()),
            sockets: Slab::new(),
            udp_ports: Ports::new(keys.hasher()),
            lite_ports: Ports::new(keys.hasher()),
            others: Others::new(keys.hasher()),
            fragments: Fragments::new(),
            messages: Messages::default(),
            due: Vec::new(),
            at_once: false,
            bare: Vec::new(),
            deadlines: Deadlines::new(),
            loopback: Loopback::up(),
            interface: None,
            ipv6: Autoconfiguration::new(),
            neighbours: Neighbours::new(keys.hasher()),
            orphans: 0,
            local: Traffic::default(),
            next_port: 0,
            keys,
        }
    }

    /// The machine's side.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// The loopback interface, which is up at first.
    pub fn loopback(&mut self) -> &mut Loopback {
        &mut self.loopback
    }

    /// The card has other addresses, or none.
    pub fn set_interface(&mut self, interface: Option<Interface>) {
        if self.interface != interface {
            self.interface = interface;
            self.neighbours.clear();
        }
    }

    /// Whether an address is this machine's.
    pub fn is_own(&self, address: IpAddress) -> bool {
        self.loopback.is_own(address)
            || match address {
                IpAddress::Ipv4(address) => {
                    self.ipv4().map(|it| it.address.address()) == Some(address)
                }
                IpAddress::Ipv6(address) => self.ipv6.is_own(address),
            }
    }

    fn ipv4(&self) -> Option<Ipv4> {
        self.interface?.ipv4
    }

    /// What to call oneself on the wire towards an address.
    fn source(&self, to: IpAddress) -> Option<IpAddress> {
        match to {
            IpAddress::Ipv4(_) => Some(self.ipv4()?.address.address().into()),
            IpAddress::Ipv6(to) => Some(self.ipv6.source(to)?.into()),
        }
    }

    /// The neighbour that a packet is given to.
    fn next_hop(&self, to: IpAddress) -> Option<IpAddress> {
        match to {
            IpAddress::Ipv4(to) => {
                let ipv4 = self.ipv4()?;
                let near = ipv4.address.contains_addr(&to);
                let next = if near { Some(to) } else { ipv4.gateway };
                next.map(IpAddress::Ipv4)
            }
            IpAddress::Ipv6(to) => self.ipv6.next_hop(to).map(IpAddress::Ipv6),
        }
    }

    /// How to get to an address, and what to call oneself there.
    /// `ENETUNREACH`.
    fn route(&self, remote: IpEndpoint) -> Result<(Path, IpAddress)> {
        if self.is_own(remote.addr) {
            if !self.loopback.is_up() {
                return Err(Errno::ENETUNREACH);
            }
            let path = match self.host.is_service(remote.port) {
                true => Path::Service,
                false => Path::Local,
            };
            return Ok((path, remote.addr));
        }
        let to = remote.addr;
        if to.is_multicast() || self.is_broadcast(to) || self.next_hop(to).is_none() {
            return Err(Errno::ENETUNREACH);
        }
        let source = self.source(to).ok_or(Errno::ENETUNREACH)?;
        Ok((Path::Link, source))
    }

    fn mtu(&self, path: Path) -> usize {
        match (path, self.interface) {
            (Path::Link, Some(interface)) => interface.mtu,
            _ => LOCAL_MTU,
        }
    }

    fn origin(&self, now: u64, tuple: &Tuple, path: Path) -> Origin {
        Origin {
            local: tuple.local,
            remote: tuple.remote,
            iss: self.keys.first_number(tuple, now),
            stamps: self.keys.clock_offset(tuple),
            mtu: self.mtu(path),
            is_local: path == Path::Local,
        }
    }

    /// Takes a connection in. `ENOMEM`, `ENFILE`.
    fn add(&mut self, slot: Slot<H::Observer>, tuple: Tuple) -> Result<Id> {
        if self.connections.len() >= MOST {
            return Err(Errno::ENFILE);
        }
        let places = self.connections.places() + 1;
        let missing = places.saturating_sub(self.due.len());
        self.due.try_reserve(missing).map_err(|_| Errno::ENOMEM)?;
        self.deadlines.reserve(places)?;
        self.table.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let shares = slot.shares;
        let boxed = try_box(slot)?;
        self.ports.add_connection(tuple.local.port, shares)?;
        let inserted = self.connections.insert(boxed);
        let id = inserted.inspect_err(|_| {
            self.ports.remove_connection(tuple.local.port, shares);
        })?;
        self.table.insert(tuple, id);
        Ok(id)
    }
}

/// Both ends of a connection.
fn tuple_of(connection: &Connection) -> Tuple {
    Tuple {
        local: connection.local(),
        remote: connection.remote(),
    }
}
