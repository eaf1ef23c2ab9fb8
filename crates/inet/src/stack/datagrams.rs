//! UDP: what sockets ask, and datagrams on their way.

use super::calls::source_of;
use super::{Host, Observer, Path, Stack};
use crate::SECOND;
use crate::failures::{Failure, Report, Whose};
use crate::ip::{Body, Packet, Sent, hops_and_class};
use crate::local::Local;
use crate::ports::Ports;
use crate::raw::Carries;
use crate::settings::Settings;
use crate::slab::Id;
use crate::udp::{self, Arrival, MAX_DATAGRAM, MAX_DATAGRAM4, Socket};
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_sync::{Ready, try_box};
use smoltcp::wire::{IpAddress, IpEndpoint};

/// The most ICMP messages in a second (RFC 1812, 4.3.2.8).
const MESSAGES: u32 = 1000;
/// How many sockets there may be.
const MOST: usize = 1 << 16;

/// What a datagram is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Udp,
    /// Of UDP-Lite, with how many bytes of it are covered if not all.
    Lite(Option<u16>),
}

/// What is left of the messages of a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages {
    second: u64,
    sent: u32,
}

impl Messages {
    fn may_go(&mut self, now: u64) -> bool {
        let second = now / SECOND;
        if self.second != second {
            (self.second, self.sent) = (second, 0);
        }
        self.sent += 1;
        self.sent <= MESSAGES
    }
}

/// What receiving gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Bytes in the buffer.
    pub count: usize,
    /// Bytes of the datagram.
    pub length: usize,
    /// How it came; `None` for the end after shutdown(2).
    pub arrival: Option<Arrival>,
}

/// Whom a datagram is for, and who it is said to be from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// Whom; `None` is whom the socket is connected to.
    pub to: Option<IpEndpoint>,
    /// SO_BROADCAST.
    pub broadcasts: bool,
    /// The address of this machine that it is from (IP_PKTINFO), if not the
    /// socket's, or the way's.
    pub source: Option<IpAddress>,
}

/// A socket's ends, and what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagrams {
    /// The address and port it is bound to.
    pub bound: Option<(Local, u16)>,
    /// Whom it is connected to.
    pub peer: Option<IpEndpoint>,
    /// Bytes of the next datagram.
    pub next: Option<usize>,
    /// Bytes of all that wait, with their cost.
    pub held: usize,
}

impl Delivery {
    /// To a receiver, from what address it may be.
    pub fn to(to: impl Into<Option<IpEndpoint>>) -> Delivery {
        Delivery {
            to: to.into(),
            ..Delivery::default()
        }
    }
}

impl<H: Host> Stack<H> {
    /// A socket for datagrams; `account` pays for those that wait. `ENOMEM`,
    /// `ENFILE`.
    pub fn udp_open(&mut self, owner: H::Observer, account: &Arc<Account>) -> Result<Id> {
        if self.sockets.len() >= MOST {
            return Err(Errno::ENFILE);
        }
        let charge = Charge::new(account, size_of::<Socket<H::Observer>>() + udp::COST)?;
        self.sockets.insert(try_box(Socket::new(owner, charge))?)
    }

    /// Ends a socket. What it has sent is on its way already.
    pub fn udp_close(&mut self, id: Id) {
        if self.sockets.get(id).is_none() {
            return;
        }
        let Some(socket) = self.sockets.remove(id.index) else {
            return;
        };
        if let Some(claim) = socket.claim {
            self.ports_of(&socket.carries).release(claim);
        }
        self.forget_other(id, socket.carries);
    }

    pub(super) fn udp(&mut self, id: Id) -> Result<&mut Socket<H::Observer>> {
        let socket = self.sockets.get(id).ok_or(Errno::EBADF)?;
        Ok(&mut **socket)
    }

    /// bind(2). Port 0 is one of the system's choice. `EINVAL` if it is bound,
    /// `EADDRINUSE`, `ENOMEM`.
    pub fn udp_bind(&mut self, id: Id, local: Local, port: u16, settings: &Settings) -> Result<()> {
        let carries = self.udp(id)?.carries;
        if !carries.has_ports() {
            return self.bind_other(id, local, port);
        }
        if self.udp(id)?.claim.is_some() {
            return Err(Errno::EINVAL);
        }
        let (start, host) = (self.host.random() as u32, &self.host);
        let (ports, is_udp) = match carries {
            Carries::Udp => (&mut self.udp_ports, true),
            _ => (&mut self.lite_ports, false),
        };
        let reserved = |port| is_udp && host.is_udp_service(port);
        let claim = match port {
            0 => ports.bind_any(local, start, settings, reserved)?,
            port if reserved(port) => return Err(Errno::EADDRINUSE),
            port => ports.bind(local, port, settings)?,
        };
        let known = ports.listen(claim, Some(id));
        known.inspect_err(|_| ports.release(claim))?;
        self.udp(id)?.claim = Some(claim);
        Ok(())
    }

    /// The ports of a kind of datagrams that has some.
    fn ports_of(&mut self, carries: &Carries) -> &mut Ports {
        match carries {
            Carries::Lite(_) => &mut self.lite_ports,
            _ => &mut self.udp_ports,
        }
    }

    fn udp_make_bound(&mut self, id: Id, any: Local) -> Result<()> {
        let socket = self.udp(id)?;
        let is_bound = match socket.carries {
            Carries::Udp | Carries::Lite(_) => socket.claim.is_some(),
            Carries::Packets(_) => true,
            Carries::Echoes(echoes) => echoes.ident.is_some(),
        };
        match is_bound {
            true => Ok(()),
            false => self.udp_bind(id, any, 0, &Settings::default()),
        }
    }

    /// The address that a socket's datagrams to `to` are from, and their way.
    fn udp_way(
        &mut self,
        id: Id,
        to: IpEndpoint,
        delivery: &Delivery,
        any: Local,
    ) -> Result<(Path, IpAddress)> {
        let bound = self.udp(id)?.claim.map_or(any, |claim| claim.local);
        let (path, way) = self.datagram_route(to, delivery.broadcasts)?;
        let source = self.chosen_source(delivery)?.map_or(bound, Local::One);
        Ok((path, source_of(source, any, to.addr, way)?))
    }

    /// The address that a datagram is said to be from, if one is said.
    ///
    /// # Errors
    /// `ENETUNREACH` and, of IPv6's, `EINVAL` if it is not this machine's.
    fn chosen_source(&self, delivery: &Delivery) -> Result<Option<IpAddress>> {
        match delivery.source {
            Some(source) if !self.is_own(source) => Err(match source {
                IpAddress::Ipv4(_) => Errno::ENETUNREACH,
                IpAddress::Ipv6(_) => Errno::EINVAL,
            }),
            source => Ok(source),
        }
    }

    /// connect(2): whom it talks to; `None` for everybody. `any` is what the
    /// socket can be bound to.
    ///
    /// # Errors
    /// `ENETUNREACH`, `EAFNOSUPPORT` from IPv4 to IPv6, and those of
    /// [`Self::udp_bind`].
    pub fn udp_connect(&mut self, id: Id, peer: Option<IpEndpoint>, any: Local) -> Result<()> {
        if let Some(peer) = peer {
            // It has an address of IPv4's since it was connected.
            let before = self.udp(id)?.peer.map(|before| before.addr);
            if let (Some(IpAddress::Ipv4(_)), IpAddress::Ipv6(_)) = (before, peer.addr) {
                return Err(Errno::EAFNOSUPPORT);
            }
            let delivery = Delivery {
                broadcasts: true,
                ..Delivery::default()
            };
            self.udp_way(id, peer, &delivery, any)?;
            self.udp_make_bound(id, any)?;
        }
        self.udp(id)?.peer = peer;
        Ok(())
    }

    /// The way of a datagram, which may go to many. `EACCES` if it must not go
    /// to everybody, `ENETUNREACH`.
    pub(super) fn datagram_route(
        &self,
        to: IpEndpoint,
        broadcasts: bool,
    ) -> Result<(Path, IpAddress)> {
        let to_all = self.is_broadcast(to.addr);
        if to_all && !broadcasts {
            return Err(Errno::EACCES);
        }
        if to_all || to.addr.is_multicast() {
            let source = self.source(to.addr).ok_or(Errno::ENETUNREACH)?;
            return Ok((Path::Link, source));
        }
        let (path, source) = self.route(to)?;
        let local = matches!(path, Path::Local | Path::Service);
        Ok((if local { Path::Local } else { path }, source))
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// An error that has come before, once; `EPIPE`, `EDESTADDRREQ`, `EINVAL`
    /// for port 0 and from an address of another machine, `EMSGSIZE`, `EACCES`, `ENETUNREACH`, those of
    /// [`Self::udp_bind`].
    pub fn udp_send(
        &mut self,
        now: u64,
        id: Id,
        data: &[u8],
        delivery: &Delivery,
        settings: &Settings,
    ) -> Result<()> {
        let socket = self.udp(id)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        if socket.write_shut {
            return Err(Errno::EPIPE);
        }
        let to = delivery.to.or(socket.peer).ok_or(Errno::EDESTADDRREQ)?;
        let carries = socket.carries;
        if !carries.has_ports() {
            return self.send_other(now, id, data, (to.addr, delivery), settings);
        }
        if to.port == 0 {
            return Err(Errno::EINVAL);
        }
        let (path, source) = self.udp_way(id, to, delivery, settings.any)?;
        let largest = match to.addr {
            IpAddress::Ipv4(_) => MAX_DATAGRAM4,
            IpAddress::Ipv6(_) => MAX_DATAGRAM,
        };
        if data.len() > largest {
            return Err(Errno::EMSGSIZE);
        }
        self.udp_make_bound(id, settings.any)?;
        let claim = self.udp(id)?.claim.ok_or(Errno::EINVAL)?;
        let from = IpEndpoint::new(source, claim.port);
        let (body, whose, kind) = match carries {
            Carries::Lite(coverage) => {
                let covered = coverage.of(udp::HEADER + data.len());
                let body = Body::Lite(from, to, data, covered);
                (body, Whose::Lite(from), Kind::Lite(covered))
            }
            _ => (Body::Udp(from, to, data), Whose::Udp(from), Kind::Udp),
        };
        match path {
            Path::Link => {
                if let Some(sent) = Sent::new(body, settings) {
                    let sent = sent.numbered(|| self.host.random() as u16);
                    self.send_any_size(now, &sent)?;
                }
            }
            _ => {
                self.local.count(data.len());
                let (hops, class) = hops_and_class(to.addr, settings);
                let arrival = Arrival {
                    from,
                    to: to.addr,
                    hops,
                    class,
                };
                if !self.deliver(arrival, kind, to.port, data) {
                    self.fail(&Report::no_port(whose, to, data));
                }
            }
        }
        Ok(())
    }

    fn send_other(
        &mut self,
        now: u64,
        id: Id,
        data: &[u8],
        (to, delivery): (IpAddress, &Delivery),
        settings: &Settings,
    ) -> Result<()> {
        let source = self.chosen_source(delivery)?;
        self.udp_make_bound(id, settings.any)?;
        let to = (to, delivery.broadcasts);
        match self.udp(id)?.carries {
            Carries::Udp | Carries::Lite(_) => Err(Errno::EINVAL),
            Carries::Packets(mut packets) => {
                packets.local = source.or(packets.local);
                self.send_packet(now, packets, data, to, settings)
            }
            Carries::Echoes(mut echoes) => {
                echoes.local = source.or(echoes.local);
                self.send_echo(now, echoes, data, to, settings)
            }
        }
    }

    /// A datagram for a port of this machine. False if nobody has it.
    fn deliver(&mut self, arrival: Arrival, kind: Kind, port: u16, data: &[u8]) -> bool {
        let (from, to) = (arrival.from, IpEndpoint::new(arrival.to, port));
        let tuple = crate::keys::Tuple {
            local: to,
            remote: from,
        };
        let spread = self.keys.spread(&tuple);
        let ports = match kind {
            Kind::Udp => &self.udp_ports,
            Kind::Lite(_) => &self.lite_ports,
        };
        let Some(id) = ports.listener(to.addr, to.port, spread) else {
            return false;
        };
        let socket = self.sockets.get(id);
        let Some(socket) = socket.filter(|socket| socket.takes(&from)) else {
            return false;
        };
        let is_enough = match (kind, socket.carries) {
            (Kind::Lite(covered), Carries::Lite(coverage)) => coverage.takes(covered),
            _ => true,
        };
        if is_enough && socket.push(arrival, data, &[]) {
            socket.owner.changed(Ready::IN);
        }
        true
    }

    /// A datagram of this machine has not arrived: its sender is told.
    pub(super) fn fail(&mut self, report: &Report<'_>) {
        let id = match report.whose {
            Whose::Udp(from) => self.udp_ports.listener(from.addr, from.port, 0),
            Whose::Lite(from) => self.lite_ports.listener(from.addr, from.port, 0),
            Whose::Echo(ident) => self.echo_socket(report.to.addr, ident),
        };
        if let Some(socket) = id.and_then(|id| self.sockets.get(id))
            && socket.fail(report)
        {
            socket.owner.changed(Ready::ERR | Ready::IN | Ready::OUT);
        }
    }

    /// A datagram has come from the card.
    pub(super) fn on_udp(&mut self, now: u64, packet: &Packet<'_>) {
        let end = IpEndpoint::new;
        let (from, to) = (end(packet.from, 0), end(packet.to, 0));
        let Some((source, target, data)) = udp::parse(packet.payload, from, to) else {
            return;
        };
        let arrival = Arrival::of(packet, source);
        if !self.deliver(arrival, Kind::Udp, target, data) {
            self.refuse(now, packet);
        }
    }

    /// One of UDP-Lite has come.
    pub(super) fn on_lite(&mut self, now: u64, packet: &Packet<'_>) {
        let parsed = udp::parse_lite(packet.payload, packet.from, packet.to);
        let Some((source, target, data, covered)) = parsed else {
            return;
        };
        let arrival = Arrival::of(packet, source);
        if !self.deliver(arrival, Kind::Lite(covered), target, data) {
            self.refuse(now, packet);
        }
    }

    /// Nobody has the port of a datagram: its sender is told, unless it was for many.
    fn refuse(&mut self, now: u64, packet: &Packet<'_>) {
        if self.is_broadcast(packet.to) || !self.messages.may_go(now) {
            return;
        }
        if let Some(sent) = Sent::new(Body::NoPort(packet), &Settings::default()) {
            self.send_message(now, &sent);
        }
    }

    /// An ICMP message has come.
    pub(super) fn on_icmp(&mut self, now: u64, packet: &Packet<'_>) {
        match Report::parse(packet) {
            Some(report) => self.fail(&report),
            None => self.on_echo(now, packet),
        }
    }

    /// Receives a datagram, cut to the buffer's length; with `peek` it stays.
    ///
    /// # Errors
    /// `EAGAIN`, an error that has come, once.
    pub fn udp_receive(&mut self, id: Id, buffer: &mut [u8], peek: bool) -> Result<Arrived> {
        let socket = self.udp(id)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let Some(datagram) = socket.first() else {
            return match socket.read_shut {
                true => Ok(Arrived {
                    count: 0,
                    length: 0,
                    arrival: None,
                }),
                false => Err(Errno::EAGAIN),
            };
        };
        let length = datagram.data.len();
        let count = length.min(buffer.len());
        buffer[..count].copy_from_slice(&datagram.data[..count]);
        let arrival = Some(datagram.arrival);
        if !peek {
            socket.pop();
        }
        Ok(Arrived {
            count,
            length,
            arrival,
        })
    }

    /// shutdown(2). `ENOTCONN`.
    pub fn udp_shutdown(&mut self, id: Id, read: bool, write: bool) -> Result<()> {
        let socket = self.udp(id)?;
        if socket.peer.is_none() {
            return Err(Errno::ENOTCONN);
        }
        socket.read_shut |= read;
        socket.write_shut |= write;
        socket.owner.changed(Ready::all());
        Ok(())
    }

    /// What poll(2) tells.
    pub fn udp_ready(&mut self, id: Id) -> Ready {
        self.udp(id).map_or(Ready::HUP, |socket| socket.ready())
    }

    /// Takes the error (SO_ERROR).
    pub fn udp_take_error(&mut self, id: Id) -> Option<Errno> {
        self.udp(id).ok()?.error.take()
    }

    /// Changes the options: SO_RCVBUF, how many bytes may wait, with their cost;
    /// IP_RECVERR and IPV6_RECVERR.
    pub fn udp_set(&mut self, id: Id, settings: &Settings) {
        if let Ok(socket) = self.udp(id) {
            socket.limit = settings.receive_limit as usize;
            socket.set_wants_failures((settings.failures, settings.failures6));
        }
    }

    /// The next datagram that has not arrived, of a socket that is told of them
    /// (MSG_ERRQUEUE).
    pub fn udp_failure(&mut self, id: Id) -> Option<Failure> {
        let socket = self.udp(id).ok()?;
        socket.take_failure()
    }

    /// The ends of a socket, and what waits for it.
    pub fn udp_state(&mut self, id: Id) -> Option<Datagrams> {
        let socket = self.udp(id).ok()?;
        Some(Datagrams {
            bound: match socket.carries {
                Carries::Udp | Carries::Lite(_) => {
                    socket.claim.map(|claim| (claim.local, claim.port))
                }
                Carries::Packets(packets) => packets.local.map(|local| (Local::One(local), 0)),
                Carries::Echoes(echoes) => echoes
                    .ident
                    .map(|ident| (echoes.local.map_or(Local::Any, Local::One), ident)),
            },
            peer: socket.peer,
            next: socket.first().map(|datagram| datagram.data.len()),
            held: socket.held(),
        })
    }

    /// The address that datagrams to `peer` are from, if nothing else is said.
    pub fn source_towards(&self, peer: IpEndpoint) -> Option<IpAddress> {
        let (_, source) = self.datagram_route(peer, true).ok()?;
        Some(source)
    }
}
