//! Packets of programs and echoes: what sockets ask, and packets for them.

use super::calls::source_of;
use super::{Host, Observer, Path, Stack};
use crate::icmp::{ECHO, REPLY, REPLY6, REQUEST, REQUEST6, echo_reply};
use crate::ip::{Body, HEADER, Packet, Sent};
use crate::keys::TableHasher;
use crate::local::Local;
use crate::raw::{Carries, Coverage, Echoes, Packets};
use crate::settings::Settings;
use crate::slab::Id;
use crate::udp::{Arrival, Socket};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use hashbrown::HashMap;
use paddock_abi::{Errno, Result};
use paddock_sync::Ready;
use smoltcp::wire::{IpAddress, IpEndpoint};

/// Packets from this machine to itself that may wait.
const MOST_LOOPED: usize = 64;
/// Sockets that are not UDP's.
pub(super) struct Others {
    /// Those for packets.
    packets: Vec<Id>,
    /// Those for echoes, by family and identifier.
    echoes: HashMap<(bool, u16), Id, TableHasher>,
    /// Packets from this machine to itself.
    looped: VecDeque<Vec<u8>>,
}

impl Others {
    pub(super) fn new(hasher: TableHasher) -> Others {
        Others {
            packets: Vec::new(),
            echoes: HashMap::with_hasher(hasher),
            looped: VecDeque::new(),
        }
    }
}

impl<H: Host> Stack<H> {
    /// Makes a fresh socket one for something else than UDP. `EBADF`, `ENOMEM`.
    pub fn carry(&mut self, id: Id, carries: Carries) -> Result<()> {
        if let Carries::Packets(_) = carries {
            let room = self.others.packets.try_reserve(1);
            room.map_err(|_| Errno::ENOMEM)?;
            self.others.packets.push(id);
        }
        self.udp(id)?.carries = carries;
        Ok(())
    }

    /// What a socket's datagrams are.
    pub fn carries(&mut self, id: Id) -> Carries {
        self.udp(id).map_or(Carries::Udp, |socket| socket.carries)
    }

    /// Changes the options of a socket for packets.
    pub fn set_packets(&mut self, id: Id, change: impl FnOnce(&mut Packets)) {
        if let Ok(socket) = self.udp(id)
            && let Carries::Packets(packets) = &mut socket.carries
        {
            change(packets);
        }
    }

    /// Changes what of datagrams of UDP-Lite is covered.
    pub fn set_coverage(&mut self, id: Id, change: impl FnOnce(&mut Coverage)) {
        if let Ok(socket) = self.udp(id)
            && let Carries::Lite(coverage) = &mut socket.carries
        {
            change(coverage);
        }
    }

    /// A socket that was not UDP's has gone.
    pub(super) fn forget_other(&mut self, id: Id, carries: Carries) {
        match carries {
            Carries::Udp | Carries::Lite(_) => {}
            Carries::Packets(_) => self.others.packets.retain(|&other| other != id),
            Carries::Echoes(echoes) => {
                if let Some(ident) = echoes.ident {
                    self.others.echoes.remove(&(echoes.is_ipv6, ident));
                }
            }
        }
    }

    /// bind(2) of a socket that is not UDP's: to an address, and for echoes to an
    /// identifier; 0 is one of the system's choice. `EINVAL` if it has one,
    /// `EADDRINUSE`.
    pub(super) fn bind_other(&mut self, id: Id, local: Local, port: u16) -> Result<()> {
        let local = local.one();
        match self.udp(id)?.carries {
            Carries::Udp | Carries::Lite(_) => return Err(Errno::EINVAL),
            Carries::Packets(_) => self.set_packets(id, |packets| packets.local = local),
            Carries::Echoes(Echoes { ident: Some(_), .. }) => return Err(Errno::EINVAL),
            Carries::Echoes(mut echoes) => {
                let ident = self.free_ident(echoes.is_ipv6, port)?;
                let room = self.others.echoes.try_reserve(1);
                room.map_err(|_| Errno::ENOMEM)?;
                self.others.echoes.insert((echoes.is_ipv6, ident), id);
                (echoes.ident, echoes.local) = (Some(ident), local);
                self.udp(id)?.carries = Carries::Echoes(echoes);
            }
        }
        Ok(())
    }

    fn free_ident(&mut self, is_ipv6: bool, wanted: u16) -> Result<u16> {
        let start = self.host.random() as u16;
        let taken = |ident: u16| self.others.echoes.contains_key(&(is_ipv6, ident));
        match wanted {
            0 => (0..=u16::MAX)
                .map(|step| start.wrapping_add(step))
                .find(|&ident| ident != 0 && !taken(ident))
                .ok_or(Errno::EADDRINUSE),
            wanted if taken(wanted) => Err(Errno::EADDRINUSE),
            wanted => Ok(wanted),
        }
    }

    /// Sends a packet of a program.
    ///
    /// # Errors
    /// `EMSGSIZE`, `EINVAL` for a header that is none, those of a way.
    pub(super) fn send_packet(
        &mut self,
        now: u64,
        packets: Packets,
        data: &[u8],
        (to, broadcasts): (IpAddress, bool),
        settings: &Settings,
    ) -> Result<()> {
        let (path, way) = self.datagram_route(IpEndpoint::new(to, 0), broadcasts)?;
        let bound = packets.local.map_or(settings.any, Local::One);
        let from = source_of(bound, settings.any, to, way)?;
        let body = match packets.has_header {
            true => Body::Whole(from, to, with_header(data)?),
            false => Body::Packet {
                from,
                to,
                protocol: packets.protocol,
                data,
                checksum_at: packets.checksum_at.filter(|_| packets.is_ipv6),
            },
        };
        if let Body::Packet {
            checksum_at: Some(at),
            ..
        } = body
            && usize::from(at) + 2 > data.len()
        {
            return Err(Errno::EINVAL);
        }
        let sent = Sent::new(body, settings).ok_or(Errno::EINVAL)?;
        let sent = sent.numbered(|| self.host.random() as u16);
        self.send_checked(now, path, &sent)
    }

    /// Sends a request of a program for an echo.
    ///
    /// # Errors
    /// `EINVAL` if it is none, `EMSGSIZE`, those of a way.
    pub(super) fn send_echo(
        &mut self,
        now: u64,
        echoes: Echoes,
        data: &[u8],
        (to, broadcasts): (IpAddress, bool),
        settings: &Settings,
    ) -> Result<()> {
        let request = if echoes.is_ipv6 { REQUEST6 } else { REQUEST };
        let ident = echoes.ident.ok_or(Errno::EINVAL)?;
        let header = data.first_chunk::<ECHO>().ok_or(Errno::EINVAL)?;
        if header[..2] != [request, 0] {
            return Err(Errno::EINVAL);
        }
        let (path, way) = self.datagram_route(IpEndpoint::new(to, 0), broadcasts)?;
        let bound = echoes.local.map_or(settings.any, Local::One);
        let from = source_of(bound, settings.any, to, way)?;
        let body = Body::Echo {
            from,
            to,
            is_reply: false,
            ident,
            number: u16::from_be_bytes([header[6], header[7]]),
            data: &data[ECHO..],
        };
        let sent = Sent::new(body, settings).ok_or(Errno::EINVAL)?;
        let sent = sent.numbered(|| self.host.random() as u16);
        self.send_checked(now, path, &sent)
    }

    /// Sends what fits: `EMSGSIZE`.
    fn send_checked(&mut self, now: u64, path: Path, sent: &Sent<'_>) -> Result<()> {
        if sent.len() > usize::from(u16::MAX) {
            return Err(Errno::EMSGSIZE);
        }
        match path {
            Path::Link => self.send_any_size(now, sent),
            _ => self.send_here(now, sent),
        }
    }

    /// A packet from this machine to itself. `ENOBUFS`, `ENOMEM`.
    fn send_here(&mut self, now: u64, sent: &Sent<'_>) -> Result<()> {
        self.loop_back(sent)?;
        // What comes of them may be such packets again, of which none has an answer.
        while let Some(bytes) = self.others.looped.pop_front() {
            if let Some(packet) = Packet::parse(&bytes) {
                self.on_own(now, &packet);
            }
        }
        Ok(())
    }

    fn loop_back(&mut self, sent: &Sent<'_>) -> Result<()> {
        if self.others.looped.len() >= MOST_LOOPED {
            return Err(Errno::ENOBUFS);
        }
        let mut bytes = super::link::zeroes(sent.len())?;
        sent.emit(&mut bytes, true);
        let room = self.others.looped.try_reserve(1);
        room.map_err(|_| Errno::ENOMEM)?;
        self.others.looped.push_back(bytes);
        self.local.count_packet(sent.len());
        Ok(())
    }

    /// Sends a message of the stack's own, which may be for this machine.
    pub(super) fn send_message(&mut self, now: u64, sent: &Sent<'_>) {
        match self.is_own(sent.to()) {
            // As on a wire what there is no room for is lost.
            true => drop(self.loop_back(sent)),
            false => drop(self.send_any_size(now, sent)),
        }
    }

    /// A packet has come for this machine: sockets for packets get copies.
    pub(super) fn give_to_packets(&mut self, packet: &Packet<'_>) {
        for index in 0..self.others.packets.len() {
            let id = self.others.packets[index];
            if let Some(socket) = self.sockets.get(id) {
                give(socket, packet);
            }
        }
    }

    /// The socket of an identifier, of the family of an address.
    pub(super) fn echo_socket(&self, of: IpAddress, ident: u16) -> Option<Id> {
        let is_ipv6 = matches!(of, IpAddress::Ipv6(_));
        self.others.echoes.get(&(is_ipv6, ident)).copied()
    }

    /// A message about echoes has come.
    pub(super) fn on_echo(&mut self, now: u64, packet: &Packet<'_>) {
        let Some(&[kind, _, _, _, a, b, ..]) = packet.payload.first_chunk::<ECHO>() else {
            return;
        };
        let is_ipv6 = matches!(packet.to, IpAddress::Ipv6(_));
        match (is_ipv6, kind) {
            (false, REQUEST) => {
                if let Some(sent) = echo_reply(packet) {
                    self.send_message(now, &sent);
                }
            }
            (false, REPLY) | (true, REPLY6) => {
                let ident = u16::from_be_bytes([a, b]);
                let id = self.echo_socket(packet.to, ident);
                if let Some(socket) = id.and_then(|id| self.sockets.get(id))
                    && takes_echo(socket, packet)
                {
                    push(socket, packet, &[]);
                }
            }
            _ => {}
        }
    }
}

/// What is sent with a header of the program's: `EINVAL` if that is none.
fn with_header(data: &[u8]) -> Result<&[u8]> {
    let first = *data.first().ok_or(Errno::EINVAL)?;
    let length = usize::from(first & 0xf) * 4;
    match first >> 4 == 4 && length >= HEADER && length <= data.len() {
        true => Ok(data),
        false => Err(Errno::EINVAL),
    }
}

fn peer_of<O>(socket: &Socket<O>) -> Option<IpAddress> {
    socket.peer.map(|peer| peer.addr)
}

fn takes_echo<O>(socket: &Socket<O>, packet: &Packet<'_>) -> bool {
    let Carries::Echoes(echoes) = socket.carries else {
        return false;
    };
    let own = echoes.local.is_none_or(|local| local == packet.to);
    own && peer_of(socket).is_none_or(|peer| peer == packet.from)
}

/// Gives a copy of a packet to a socket for packets, if it takes such.
fn give<O: Observer>(socket: &mut Socket<O>, packet: &Packet<'_>) {
    let Carries::Packets(packets) = socket.carries else {
        return;
    };
    let is_ipv6 = matches!(packet.to, IpAddress::Ipv6(_));
    let is_one = packets.is_ipv6 == is_ipv6 && packets.protocol == packet.protocol;
    let kind = packet.payload.first().copied().unwrap_or(0);
    if !is_one || packets.refuses(kind) || !packets.takes(packet.from, packet.to, peer_of(socket)) {
        return;
    }
    let header = if is_ipv6 { &[] } else { packet.header };
    push(socket, packet, header);
}

fn push<O: Observer>(socket: &mut Socket<O>, packet: &Packet<'_>, header: &[u8]) {
    if socket.push(Arrival::of(packet, 0), header, packet.payload) {
        socket.owner.changed(Ready::IN);
    }
}
