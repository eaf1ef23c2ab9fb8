//! TCP segments as values, and as bytes (RFC 9293, 3.1).

use crate::checksum::Sum;
use crate::options::Options;
use crate::seq::Seq;
use bitflags::bitflags;
use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, TcpPacket, TcpSeqNumber};

bitflags! {
    /// The control bits that this stack looks at.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// No more data from the sender.
        const FIN = 1;
        /// The sequence numbers begin here.
        const SYN = 2;
        /// The connection is over at once.
        const RST = 4;
        /// What has come is to be read now.
        const PSH = 8;
        /// The acknowledgement number counts.
        const ACK = 16;
    }
}

/// Bytes of a header without options.
const PLAIN_HEADER: usize = 20;
/// The most bytes of a header with options.
pub const LONGEST_HEADER: usize = 60;
/// Where in the header the checksum is.
pub const CHECKSUM_AT: usize = 16;

/// A segment, but for its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender.
    pub from: IpEndpoint,
    /// The receiver.
    pub to: IpEndpoint,
    /// The first byte's number, or SYN's.
    pub seq: Seq,
    /// What the sender awaits, if `ACK` is set.
    pub ack: Seq,
    /// Control bits.
    pub flags: Flags,
    /// The window, as it is in the header: not scaled.
    pub window: u16,
    /// The options.
    pub options: Options,
}

/// A segment's data, in two pieces.
pub type Payload<'a> = (&'a [u8], &'a [u8]);

/// The data of a segment that has come.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// They are here.
    Bytes(Payload<'a>),
    /// So many are in the receiver's queue already, behind its end.
    Placed(usize),
}

impl Data<'_> {
    /// Bytes of them.
    pub fn len(&self) -> usize {
        match self {
            Data::Bytes((first, second)) => first.len() + second.len(),
            Data::Placed(count) => *count,
        }
    }
}

/// No data.
pub const EMPTY: Payload<'static> = (&[], &[]);

impl Header {
    /// Numbers that it takes: its data, SYN and FIN.
    pub fn length(&self, data: usize) -> usize {
        let control = self.flags.intersection(Flags::SYN | Flags::FIN);
        data + control.bits().count_ones() as usize
    }

    /// Reads a segment and its data out of an IP packet's payload. `None` if
    /// it is none, or its checksum is wrong and not `is_checked` already.
    pub fn parse(
        bytes: &[u8],
        from: IpAddress,
        to: IpAddress,
        is_checked: bool,
    ) -> Option<(Header, &[u8])> {
        let packet = TcpPacket::new_checked(bytes).ok()?;
        let (source, target) = (packet.src_port(), packet.dst_port());
        let is_right = || {
            Sum::pseudo_header(from, to, IpProtocol::Tcp, bytes.len())
                .with(bytes)
                .is_right()
        };
        if source == 0 || target == 0 || !(is_checked || is_right()) {
            return None;
        }
        let mut flags = Flags::empty();
        flags.set(Flags::FIN, packet.fin());
        flags.set(Flags::SYN, packet.syn());
        flags.set(Flags::RST, packet.rst());
        flags.set(Flags::PSH, packet.psh());
        flags.set(Flags::ACK, packet.ack());
        let header = Header {
            from: IpEndpoint::new(from, source),
            to: IpEndpoint::new(to, target),
            seq: Seq(packet.seq_number().0 as u32),
            ack: Seq(packet.ack_number().0 as u32),
            flags,
            window: packet.window_len(),
            options: Options::parse(packet.options(), flags.contains(Flags::SYN)),
        };
        Some((header, packet.payload()))
    }

    /// Bytes of the header with its options.
    pub fn header_len(&self) -> usize {
        PLAIN_HEADER + self.options.len()
    }

    /// Writes the segment into `bytes`, which are as long as it is. Unless it is to
    /// be finished here, the checksum is that of the pseudo-header alone, for a card
    /// to go on with.
    pub fn emit(&self, bytes: &mut [u8], data: Payload<'_>, finish: bool) {
        let header_len = self.header_len();
        debug_assert_eq!(bytes.len(), header_len + data.0.len() + data.1.len());
        let mut packet = TcpPacket::new_unchecked(bytes);
        packet.clear_flags();
        packet.set_src_port(self.from.port);
        packet.set_dst_port(self.to.port);
        packet.set_seq_number(TcpSeqNumber(self.seq.0 as i32));
        packet.set_ack_number(TcpSeqNumber(self.ack.0 as i32));
        packet.set_header_len(header_len as u8);
        packet.set_fin(self.flags.contains(Flags::FIN));
        packet.set_syn(self.flags.contains(Flags::SYN));
        packet.set_rst(self.flags.contains(Flags::RST));
        packet.set_psh(self.flags.contains(Flags::PSH));
        packet.set_ack(self.flags.contains(Flags::ACK));
        packet.set_window_len(self.window);
        packet.set_urgent_at(0);
        self.options.emit(packet.options_mut());
        packet.set_checksum(0);
        let (from, to) = (self.from.addr, self.to.addr);
        let length = header_len + data.0.len() + data.1.len();
        let sum = Sum::pseudo_header(from, to, IpProtocol::Tcp, length);
        let bytes = packet.into_inner();
        let (header, payload) = bytes.split_at_mut(header_len);
        let (first, second) = payload.split_at_mut(data.0.len());
        let checksum = match finish {
            true => sum
                .with(header)
                .with_copied(first, data.0)
                .with_copied(second, data.1)
                .checksum(),
            false => {
                first.copy_from_slice(data.0);
                second.copy_from_slice(data.1);
                sum.value()
            }
        };
        header[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The reset that answers a segment for nobody (RFC 9293, 3.10.7.1);
    /// `None` for one that is itself a reset.
    pub fn reset(&self, data: usize) -> Option<Header> {
        if self.flags.contains(Flags::RST) {
            return None;
        }
        let (seq, ack, flags) = match self.flags.contains(Flags::ACK) {
            true => (self.ack, Seq(0), Flags::RST),
            false => (
                Seq(0),
                self.seq + self.length(data),
                Flags::RST | Flags::ACK,
            ),
        };
        Some(Header {
            from: self.to,
            to: self.from,
            seq,
            ack,
            flags,
            window: 0,
            options: Options::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::Ipv4Address;

    #[test]
    fn what_is_written_is_read() {
        let at = |last, port| IpEndpoint::new(Ipv4Address::new(10, 0, 0, last).into(), port);
        let header = Header {
            from: at(1, 1000),
            to: at(2, 80),
            seq: Seq(u32::MAX - 3),
            ack: Seq(77),
            flags: Flags::SYN | Flags::ACK,
            window: 4242,
            options: Options {
                mss: Some(1460),
                scale: Some(7),
                ..Options::default()
            },
        };
        let mut bytes = vec![0; header.header_len() + 5];
        header.emit(&mut bytes, (b"abc", b"de"), true);
        let (from, to) = (header.from.addr, header.to.addr);
        let parsed = Header::parse(&bytes, from, to, false).unwrap();
        assert_eq!(parsed, (header, &b"abcde"[..]));
        let mut unfinished = vec![0; bytes.len()];
        header.emit(&mut unfinished, (b"abc", b"de"), false);
        assert!(Header::parse(&unfinished, from, to, false).is_none());
        assert!(crate::finish_checksum(&mut unfinished, 0, CHECKSUM_AT));
        assert_eq!(unfinished, bytes);
        bytes[25] ^= 1;
        assert!(Header::parse(&bytes, from, to, false).is_none());
        assert!(Header::parse(&bytes, from, to, true).is_some());
    }
}
