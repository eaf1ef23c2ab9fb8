//! Datagrams (RFC 768, RFC 3828): sockets, and what waits for them.

use crate::checksum::Sum;
use crate::failures::{Failure, Report};
use crate::ip::Packet;
use crate::ports::Claim;
use crate::raw::Carries;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::Ready;
use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, UdpPacket};

/// The protocol number of UDP-Lite.
pub const LITE: IpProtocol = IpProtocol::Unknown(136);
/// Bytes of a datagram's header.
pub const HEADER: usize = 8;
/// Where in the header the checksum is.
const CHECKSUM_AT: usize = 6;
/// Bytes of data in the largest datagram of all, which is over IPv6, and over
/// IPv4.
pub const MAX_DATAGRAM: usize = 65527;
/// See [`MAX_DATAGRAM`].
pub const MAX_DATAGRAM4: usize = 65507;
/// What a datagram that waits costs beside its bytes.
const OVERHEAD: usize = 128;
/// Bytes of the largest datagram whose memory a socket keeps for the next.
const SPARE: usize = 256;
/// Datagrams for which a socket keeps places.
const PLACES: usize = 4;
/// Bytes that an open socket is charged, as if it kept all that it may.
pub const COST: usize = SPARE + PLACES * size_of::<Datagram>();
/// Failures that are kept for a socket.
const MOST_FAILURES: usize = 16;
/// Bytes that may wait for a socket by default, their cost included.
pub const LIMIT: usize = 208 << 10;

/// Where a datagram came from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it.
    pub from: IpEndpoint,
    /// The address that it was sent to.
    pub to: IpAddress,
    /// The hops that it had left.
    pub hops: u8,
    /// The type of service, or the traffic class.
    pub class: u8,
}

impl Arrival {
    /// That of what a packet carries, from a port of its sender.
    pub(crate) fn of(packet: &Packet<'_>, port: u16) -> Arrival {
        Arrival {
            from: IpEndpoint::new(packet.from, port),
            to: packet.to,
            hops: packet.hops,
            class: packet.class(),
        }
    }
}

/// A datagram that has come.
#[derive(Debug)]
pub struct Datagram {
    /// How it came.
    pub arrival: Arrival,
    /// What it says.
    pub data: Vec<u8>,
}

/// A socket.
#[derive(Debug)]
pub struct Socket<O> {
    /// What comes and goes.
    pub carries: Carries,
    pub claim: Option<Claim>,
    /// Whom alone it talks to.
    pub peer: Option<IpEndpoint>,
    pub owner: O,
    pub error: Option<Errno>,
    pub read_shut: bool,
    pub write_shut: bool,
    /// Bytes that may wait, their cost included.
    pub limit: usize,
    /// IP_RECVERR and IPV6_RECVERR.
    pub wants_failures: (bool, bool),
    failures: VecDeque<Failure>,
    queue: VecDeque<Datagram>,
    /// Memory of a datagram that was taken, for the next.
    spare: Vec<u8>,
    held: usize,
    charge: Charge,
}

impl<O> Socket<O> {
    /// One that is not bound.
    pub fn new(owner: O, charge: Charge) -> Socket<O> {
        Socket {
            carries: Carries::Udp,
            claim: None,
            peer: None,
            owner,
            error: None,
            read_shut: false,
            write_shut: false,
            limit: LIMIT,
            wants_failures: (false, false),
            failures: VecDeque::new(),
            queue: VecDeque::new(),
            spare: Vec::new(),
            held: 0,
            charge,
        }
    }

    /// Whether datagrams of this sender are for it.
    pub fn takes(&self, from: &IpEndpoint) -> bool {
        self.peer.is_none_or(|peer| peer == *from)
    }

    /// A datagram has come, in two pieces: false if there is no room for it.
    pub fn push(&mut self, arrival: Arrival, first: &[u8], rest: &[u8]) -> bool {
        let cost = OVERHEAD + first.len() + rest.len();
        // As on Linux one always fits.
        let full = self.held > 0 && self.held + cost > self.limit;
        let paid = self.charge.bytes();
        if full || self.read_shut || self.charge.resize(paid + cost).is_err() {
            return false;
        }
        let kept = self.keep(arrival, first, rest);
        match kept {
            Ok(()) => self.held += cost,
            Err(_) => drop(self.charge.resize(paid)),
        }
        kept.is_ok()
    }

    fn keep(&mut self, arrival: Arrival, first: &[u8], rest: &[u8]) -> Result<()> {
        self.queue.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let mut bytes = core::mem::take(&mut self.spare);
        bytes
            .try_reserve_exact(first.len() + rest.len())
            .map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(rest);
        self.queue.push_back(Datagram {
            arrival,
            data: bytes,
        });
        Ok(())
    }

    /// The next datagram, which stays.
    pub fn first(&self) -> Option<&Datagram> {
        self.queue.front()
    }

    /// Takes the next datagram away.
    pub fn pop(&mut self) {
        let Some(Datagram { mut data, .. }) = self.queue.pop_front() else {
            return;
        };
        let cost = OVERHEAD + data.len();
        self.held -= cost;
        let _ = self.charge.resize(self.charge.bytes() - cost);
        if data.capacity() <= SPARE {
            data.clear();
            self.spare = data;
        }
        if self.queue.is_empty() && self.queue.capacity() > PLACES {
            self.queue = VecDeque::new();
        }
    }

    /// A datagram has not arrived. Whether that is news for the owner: if it asked for
    /// all, or is connected and trying again is of no use (RFC 1122, 4.1.3.3).
    pub fn fail(&mut self, report: &Report<'_>) -> bool {
        let wants = match report.to.addr {
            IpAddress::Ipv4(_) => self.wants_failures.0,
            IpAddress::Ipv6(_) => self.wants_failures.1,
        };
        let hears = report.is_hard && self.peer == Some(report.to);
        if !wants && !hears {
            return false;
        }
        if wants
            && self.failures.len() < MOST_FAILURES
            && self.failures.try_reserve(1).is_ok()
            && let Some(failure) = report.keep()
        {
            self.failures.push_back(failure);
        }
        self.error = Some(report.errno);
        true
    }

    /// The next datagram that has not arrived. The error is that of the one after it.
    pub fn take_failure(&mut self) -> Option<Failure> {
        let failure = self.failures.pop_front()?;
        self.error = self.failures.front().map(|next| next.errno);
        Some(failure)
    }

    /// IP_RECVERR and IPV6_RECVERR: without either nothing is kept.
    pub fn set_wants_failures(&mut self, wants: (bool, bool)) {
        self.wants_failures = wants;
        if wants == (false, false) {
            self.failures = VecDeque::new();
        }
    }

    /// What poll(2) tells. There is always room to send: what the card has no
    /// room for is lost.
    pub fn ready(&self) -> Ready {
        let mut ready = Ready::OUT;
        let failed = self.error.is_some() || !self.failures.is_empty();
        ready.set(Ready::IN, !self.queue.is_empty() || self.read_shut);
        ready.set(Ready::ERR, failed);
        ready.set(Ready::RDHUP, self.read_shut);
        ready.set(Ready::HUP, self.read_shut && self.write_shut);
        ready
    }

    /// Bytes of all datagrams that wait, with their cost.
    pub fn held(&self) -> usize {
        self.held
    }
}

/// Reads a datagram out of an IP packet's payload: both ports and the data.
/// `None` if it is none, or its checksum is wrong.
pub fn parse(bytes: &[u8], from: IpEndpoint, to: IpEndpoint) -> Option<(u16, u16, &[u8])> {
    let packet = UdpPacket::new_checked(bytes).ok()?;
    let is_right = match packet.checksum() {
        // Over IPv6 there is always one (RFC 8200, 8.1).
        0 => matches!(to.addr, IpAddress::Ipv4(_)),
        _ => {
            let bytes = &bytes[..usize::from(packet.len())];
            sum_of_pseudo_header(from, to, bytes.len())
                .with(bytes)
                .is_right()
        }
    };
    (is_right && packet.dst_port() != 0)
        .then(|| (packet.src_port(), packet.dst_port(), packet.payload()))
}

/// Reads a datagram of UDP-Lite, likewise, and how many bytes of it are covered if not
/// all.
pub fn parse_lite(
    bytes: &[u8],
    from: IpAddress,
    to: IpAddress,
) -> Option<(u16, u16, &[u8], Option<u16>)> {
    let (header, data) = bytes.split_first_chunk::<HEADER>()?;
    let [a, b, c, d, e, f, sum @ ..] = *header;
    let told = u16::from_be_bytes([e, f]);
    let (is_partly, length) = match usize::from(told) {
        0 => (false, bytes.len()),
        length => (length < bytes.len(), length),
    };
    let covered = bytes.get(..length).filter(|_| length >= HEADER)?;
    let whole = Sum::pseudo_header(from, to, LITE, bytes.len()).with(covered);
    let port = u16::from_be_bytes([c, d]);
    let good = sum != [0; 2] && whole.is_right() && port != 0;
    let coverage = is_partly.then_some(told);
    good.then(|| (u16::from_be_bytes([a, b]), port, data, coverage))
}

/// Writes a datagram of UDP-Lite into `bytes`, which are as long as it is; so many bytes
/// of it are covered if not all.
pub fn emit_lite(
    bytes: &mut [u8],
    from: IpEndpoint,
    to: IpEndpoint,
    data: &[u8],
    covered: Option<u16>,
) {
    let length = bytes.len();
    let (header, payload) = bytes.split_at_mut(HEADER);
    payload.copy_from_slice(data);
    header[..2].copy_from_slice(&from.port.to_be_bytes());
    header[2..4].copy_from_slice(&to.port.to_be_bytes());
    header[4..6].copy_from_slice(&covered.unwrap_or(0).to_be_bytes());
    header[CHECKSUM_AT..].fill(0);
    let end = covered.map_or(length, |covered| length.min(covered.into()));
    let sum = Sum::pseudo_header(from.addr, to.addr, LITE, length).with(&bytes[..end]);
    bytes[CHECKSUM_AT..HEADER].copy_from_slice(&sum.checksum_not_zero().to_be_bytes());
}

fn sum_of_pseudo_header(from: IpEndpoint, to: IpEndpoint, length: usize) -> Sum {
    Sum::pseudo_header(from.addr, to.addr, IpProtocol::Udp, length)
}

/// Writes a datagram into `bytes`, which are as long as it is.
pub fn emit(bytes: &mut [u8], from: IpEndpoint, to: IpEndpoint, data: &[u8]) {
    let length = bytes.len();
    let mut packet = UdpPacket::new_unchecked(&mut *bytes);
    packet.set_src_port(from.port);
    packet.set_dst_port(to.port);
    packet.set_len(length as u16);
    packet.set_checksum(0);
    let (header, payload) = bytes.split_at_mut(HEADER);
    let sum = sum_of_pseudo_header(from, to, length).with(header);
    let checksum = sum.with_copied(payload, data).checksum_not_zero();
    header[CHECKSUM_AT..].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::Ipv4Address;

    #[test]
    fn what_is_not_covered_may_be_wrong() {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(10, 0, 0, last).into(), port);
        let (from, to) = (end(1, 5), end(2, 6));
        for covered in [None, Some(8), Some(10)] {
            let mut bytes = [0; HEADER + 4];
            emit_lite(&mut bytes, from, to, b"data", covered);
            let parsed = |bytes: &[u8]| {
                parse_lite(bytes, from.addr, to.addr)
                    .map(|(from, to, data, covered)| (from, to, data.to_vec(), covered))
            };
            assert_eq!(parsed(&bytes), Some((5, 6, b"data".to_vec(), covered)));
            for at in 0..bytes.len() {
                let mut damaged = bytes;
                damaged[at] ^= 0x10;
                let is_covered = at < usize::from(covered.unwrap_or(u16::MAX));
                assert_eq!(parsed(&damaged).is_none(), is_covered, "{covered:?} {at}");
            }
            for length in 0..HEADER {
                assert_eq!(parsed(&bytes[..length]), None);
            }
        }
    }
}
