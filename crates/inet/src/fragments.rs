//! Packets in pieces (RFC 791, 3.2; RFC 8200, 4.5).

use crate::ip::Packet;
use crate::{NEVER, SECOND};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Packet, Ipv6ExtHeader, Ipv6FragmentHeader, Ipv6Packet,
};

/// How long the rest of a packet is waited for, in nanoseconds, as on Linux.
const PATIENCE: u64 = 30 * SECOND;
/// Packets that may be put together at once.
const MOST_PACKETS: usize = 64;
/// Bytes that may wait for the rest of their packets.
const MOST_BYTES: usize = 512 << 10;
/// Pieces of one packet: of the largest, with the smallest that a wire has.
const MOST_PIECES: usize = 256;
/// Bytes that a packet can carry.
const LARGEST: usize = 65_535;
/// Bytes of an extension header for fragments.
pub const HEADER6: usize = 8;

/// Which packet a fragment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The sender.
    pub from: IpAddress,
    /// The receiver.
    pub to: IpAddress,
    protocol: IpProtocol,
    ident: u32,
}

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Its packet.
    pub key: Key,
    hops: u8,
    offset: usize,
    is_last: bool,
    header: &'a [u8],
    data: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads one. `None` if it is none, or makes no sense.
    pub fn parse(bytes: &'a [u8]) -> Option<Fragment<'a>> {
        let fragment = match bytes.first()? >> 4 {
            4 => Self::parse_ipv4(bytes),
            6 => Self::parse_ipv6(bytes),
            _ => None,
        }?;
        let end = fragment.offset + fragment.data.len();
        let is_whole = fragment.is_last || fragment.data.len().is_multiple_of(8);
        (is_whole && !fragment.data.is_empty() && end <= LARGEST).then_some(fragment)
    }

    fn parse_ipv4(bytes: &'a [u8]) -> Option<Fragment<'a>> {
        let packet = Ipv4Packet::new_checked(bytes).ok()?;
        let (offset, more) = (usize::from(packet.frag_offset()), packet.more_frags());
        let is_one = (offset > 0 || more) && packet.verify_checksum();
        is_one.then_some(())?;
        Some(Fragment {
            key: Key {
                from: packet.src_addr().into(),
                to: packet.dst_addr().into(),
                protocol: packet.next_header(),
                ident: u32::from(packet.ident()),
            },
            hops: packet.hop_limit(),
            offset,
            is_last: !more,
            header: bytes.get(..usize::from(packet.header_len()))?,
            data: packet.payload(),
        })
    }

    /// Only behind the IPv6 header itself: nobody sends more in front.
    fn parse_ipv6(bytes: &'a [u8]) -> Option<Fragment<'a>> {
        let packet = Ipv6Packet::new_checked(bytes).ok()?;
        if packet.next_header() != IpProtocol::Ipv6Frag {
            return None;
        }
        let extension = Ipv6ExtHeader::new_checked(packet.payload()).ok()?;
        let protocol = extension.next_header();
        let rest = packet.payload();
        let header = Ipv6FragmentHeader::new_checked(rest.get(2..HEADER6)?).ok()?;
        Some(Fragment {
            key: Key {
                from: packet.src_addr().into(),
                to: packet.dst_addr().into(),
                protocol,
                ident: header.ident(),
            },
            hops: packet.hop_limit(),
            offset: usize::from(header.frag_offset()) * 8,
            is_last: !header.more_frags(),
            header: bytes.get(..bytes.len() - rest.len())?,
            data: &rest[HEADER6..],
        })
    }
}

/// A packet of which a part has come.
#[derive(Debug)]
struct Partial {
    key: Key,
    hops: u8,
    /// When it is given up.
    until: u64,
    /// Of the first part.
    header: Vec<u8>,
    data: Vec<u8>,
    /// What of `data` has come: in order, apart.
    pieces: Vec<(usize, usize)>,
    /// Bytes of all, once the last part has come.
    total: Option<usize>,
}

/// A packet that was put together.
#[derive(Debug)]
pub struct Whole {
    key: Key,
    hops: u8,
    header: Vec<u8>,
    data: Vec<u8>,
}

impl Whole {
    /// The packet.
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            from: self.key.from,
            to: self.key.to,
            hops: self.hops,
            protocol: self.key.protocol,
            header: &self.header,
            payload: &self.data,
            is_checked: false,
        }
    }
}

/// Packets that are being put together.
#[derive(Debug, Default)]
pub struct Fragments {
    /// The oldest first.
    partial: Vec<Partial>,
    bytes: usize,
}

impl Fragments {
    /// None.
    pub const fn new() -> Fragments {
        Fragments {
            partial: Vec::new(),
            bytes: 0,
        }
    }

    /// When the oldest is given up.
    pub fn deadline(&self) -> u64 {
        self.partial.first().map_or(NEVER, |oldest| oldest.until)
    }

    /// Gives up what has waited for too long.
    pub fn on_time(&mut self, now: u64) {
        while self.deadline() <= now {
            self.forget(0);
        }
    }

    fn forget(&mut self, index: usize) -> Partial {
        let partial = self.partial.remove(index);
        self.bytes -= partial.data.len();
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        partial
    }

    /// A fragment has come: the packet, if that was all that it lacked. One that lies
    /// over another makes an end of its packet (RFC 5722, 4); the same once more does
    /// not.
    pub fn take(&mut self, now: u64, fragment: &Fragment<'_>) -> Option<Whole> {
        let index = self.find(now, fragment).ok()?;
        let before = self.partial[index].data.len();
        let kept = self.partial[index].add(fragment);
        self.bytes += self.partial[index].data.len() - before;
        match kept {
            Ok(false) => self.make_room(),
            Ok(true) => {
                let partial = self.forget(index);
                return Some(Whole {
                    key: partial.key,
                    hops: partial.hops,
                    header: partial.header,
                    data: partial.data,
                });
            }
            Err(_) => drop(self.forget(index)),
        }
        None
    }

    /// The place of a fragment's packet. `ENOMEM`.
    fn find(&mut self, now: u64, fragment: &Fragment<'_>) -> Result<usize> {
        let known = |partial: &Partial| partial.key == fragment.key;
        if let Some(index) = self.partial.iter().position(known) {
            return Ok(index);
        }
        if self.partial.len() >= MOST_PACKETS {
            self.forget(0);
        }
        self.partial.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.partial.push(Partial {
            key: fragment.key,
            hops: fragment.hops,
            until: now.saturating_add(PATIENCE),
            header: Vec::new(),
            data: Vec::new(),
            pieces: Vec::new(),
            total: None,
        });
        Ok(self.partial.len() - 1)
    }

    /// The oldest give way to what is new.
    fn make_room(&mut self) {
        while self.bytes > MOST_BYTES {
            self.forget(0);
        }
    }
}

impl Partial {
    /// Adds a part. Whether it is whole now; `EINVAL` if parts contradict each other,
    /// `ENOMEM`.
    fn add(&mut self, fragment: &Fragment<'_>) -> Result<bool> {
        let (start, end) = (fragment.offset, fragment.offset + fragment.data.len());
        if self.pieces.contains(&(start, end)) {
            return Ok(false);
        }
        let place = self.pieces.partition_point(|piece| piece.0 < start);
        let before = place.checked_sub(1).map(|index| self.pieces[index]);
        let over_before = before.is_some_and(|piece| piece.1 > start);
        let over_next = self.pieces.get(place).is_some_and(|piece| piece.0 < end);
        let ends = self.pieces.last().map_or(0, |piece| piece.1).max(end);
        let total = if fragment.is_last {
            Some(end)
        } else {
            self.total
        };
        let is_contrary = self.total.is_some() && fragment.is_last
            || total.is_some_and(|total| ends > total)
            || self.pieces.len() >= MOST_PIECES;
        if over_before || over_next || is_contrary {
            return Err(Errno::EINVAL);
        }
        self.keep(fragment, (start, end), ends)?;
        self.pieces.insert(place, (start, end));
        self.total = total;
        // Apart and none beyond the end: so many bytes are all of them.
        let have: usize = self.pieces.iter().map(|piece| piece.1 - piece.0).sum();
        Ok(Some(have) == self.total)
    }

    fn keep(
        &mut self,
        fragment: &Fragment<'_>,
        (start, end): (usize, usize),
        ends: usize,
    ) -> Result<()> {
        self.pieces.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let more = ends.saturating_sub(self.data.len());
        self.data.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        if start == 0 {
            let length = fragment.header.len();
            let room = self.header.try_reserve_exact(length);
            room.map_err(|_| Errno::ENOMEM)?;
            self.header.extend_from_slice(fragment.header);
        }
        if ends > self.data.len() {
            self.data.resize(ends, 0);
        }
        self.data[start..end].copy_from_slice(fragment.data);
        Ok(())
    }
}

/// Whether a packet is a part of another.
pub fn is_fragment(bytes: &[u8]) -> bool {
    Fragment::parse(bytes).is_some()
}

/// Bytes of what a fragment carries, of which all but the last carry as many, on a wire
/// that takes `mtu`, behind a header of `header` bytes.
pub fn piece(mtu: usize, header: usize) -> usize {
    mtu.saturating_sub(header) / 8 * 8
}

/// Makes a packet of IPv4 without options, in `bytes` with its header, a fragment.
pub fn make_ipv4(bytes: &mut [u8], ident: u16, offset: usize, more: bool) {
    let length = bytes.len();
    let mut packet = Ipv4Packet::new_unchecked(bytes);
    packet.set_total_len(length as u16);
    packet.set_ident(ident);
    packet.set_dont_frag(false);
    packet.set_more_frags(more);
    packet.set_frag_offset(offset as u16);
    packet.fill_checksum();
}

/// Makes a packet of IPv6 a fragment: in `bytes` are its header, room for that of a
/// fragment, and what it carries.
pub fn make_ipv6(bytes: &mut [u8], ident: u32, offset: usize, more: bool) {
    const IP: usize = crate::ip::HEADER6;
    let length = bytes.len();
    let mut packet = Ipv6Packet::new_unchecked(&mut *bytes);
    let protocol = packet.next_header();
    packet.set_payload_len((length - IP) as u16);
    packet.set_next_header(IpProtocol::Ipv6Frag);
    let place = &mut bytes[IP..IP + HEADER6];
    place[..2].copy_from_slice(&[u8::from(protocol), 0]);
    let mut header = Ipv6FragmentHeader::new_unchecked(&mut place[2..]);
    header.clear_reserved();
    header.set_frag_offset((offset / 8) as u16);
    header.set_more_frags(more);
    header.set_ident(ident);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::{HEADER, Packet};
    use proptest::prelude::*;
    use smoltcp::wire::Ipv4Address;

    fn ipv4(data: &[u8], ident: u16, offset: usize, more: bool) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + data.len()];
        bytes[0] = 0x45;
        (bytes[8], bytes[9]) = (64, 17);
        bytes[12..16].copy_from_slice(&[10, 0, 0, 1]);
        bytes[16..20].copy_from_slice(&[10, 0, 0, 2]);
        bytes[HEADER..].copy_from_slice(data);
        make_ipv4(&mut bytes, ident, offset, more);
        bytes
    }

    fn ipv6(data: &[u8], ident: u16, offset: usize, more: bool) -> Vec<u8> {
        let mut bytes = vec![0; 40 + HEADER6 + data.len()];
        (bytes[0], bytes[6], bytes[7]) = (0x60, 17, 64);
        (bytes[23], bytes[39]) = (1, 2);
        bytes[40 + HEADER6..].copy_from_slice(data);
        make_ipv6(&mut bytes, u32::from(ident), offset, more);
        bytes
    }

    /// A packet's parts, of at most `size` bytes.
    fn parts(data: &[u8], size: usize, ident: u16, is_ipv6: bool) -> Vec<Vec<u8>> {
        let make = if is_ipv6 { ipv6 } else { ipv4 };
        let last = data.len().div_ceil(size) - 1;
        data.chunks(size)
            .enumerate()
            .map(|(index, piece)| make(piece, ident, index * size, index < last))
            .collect()
    }

    proptest! {
        #[test]
        fn parts_in_any_order_are_the_whole(
            length in 1usize..5000,
            size in 4usize..80,
            order in any::<u64>(),
            is_ipv6 in any::<bool>(),
        ) {
            let size = size * 8;
            prop_assume!(length > size);
            let data: Vec<u8> = (0..length).map(|place| (place * 7) as u8).collect();
            let mut parts = parts(&data, size, 9, is_ipv6);
            let (mut state, count) = (order | 1, parts.len());
            for index in (1..count).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                parts.swap(index, (state >> 33) as usize % (index + 1));
            }
            let mut fragments = Fragments::new();
            for (index, part) in parts.iter().enumerate() {
                prop_assert_eq!(Packet::parse(part), None);
                let fragment = Fragment::parse(part).unwrap();
                let whole = fragments.take(0, &fragment);
                if index + 1 < count {
                    prop_assert!(whole.is_none());
                    // The same once more changes nothing.
                    prop_assert!(fragments.take(0, &fragment).is_none());
                } else {
                    let whole = whole.unwrap();
                    let packet = whole.packet();
                    prop_assert_eq!(packet.payload, &data[..]);
                    prop_assert_eq!(packet.protocol, IpProtocol::Udp);
                    prop_assert_eq!(packet.header.len(), if is_ipv6 { 40 } else { 20 });
                }
            }
            prop_assert_eq!((fragments.bytes, fragments.partial.len()), (0, 0));
        }

        #[test]
        fn whatever_comes_is_bounded(
            all in prop::collection::vec((0u16..90, 0usize..8190, 1usize..200, any::<bool>()), 1..600)
        ) {
            let mut fragments = Fragments::new();
            for (now, (ident, offset, length, more)) in all.into_iter().enumerate() {
                let data = vec![1; if more { length.div_ceil(8) * 8 } else { length }];
                let bytes = ipv4(&data, ident, offset * 8, more);
                if let Some(fragment) = Fragment::parse(&bytes) {
                    fragments.take(now as u64, &fragment);
                }
                let held: usize = fragments.partial.iter().map(|it| it.data.len()).sum();
                prop_assert_eq!(held, fragments.bytes);
                prop_assert!(held <= MOST_BYTES && fragments.partial.len() <= MOST_PACKETS);
            }
            fragments.on_time(NEVER - 1);
            prop_assert_eq!((fragments.bytes, fragments.partial.len()), (0, 0));
        }
    }

    #[test]
    fn parts_over_one_another_end_the_packet() {
        let mut fragments = Fragments::new();
        let mut take = |bytes: &[u8]| fragments.take(5, &Fragment::parse(bytes)?);
        assert!(take(&ipv4(&[1; 16], 3, 0, true)).is_none());
        assert!(take(&ipv4(&[2; 16], 3, 8, true)).is_none());
        assert!(take(&ipv4(&[3; 8], 3, 16, false)).is_none(), "all gone");
        assert!(take(&ipv4(&[1; 16], 3, 0, true)).is_some());
        // An end before what is there already.
        assert!(take(&ipv4(&[1; 16], 4, 32, true)).is_none());
        assert!(take(&ipv4(&[1; 8], 4, 8, false)).is_none());
        assert!(fragments.partial.is_empty());
    }

    #[test]
    fn the_rest_is_waited_for_and_given_up() {
        let mut fragments = Fragments::new();
        let bytes = ipv4(&[1; 16], 3, 0, true);
        fragments.take(7, &Fragment::parse(&bytes).unwrap());
        assert_eq!(fragments.deadline(), 7 + PATIENCE);
        fragments.on_time(6 + PATIENCE);
        assert_eq!(fragments.partial.len(), 1);
        fragments.on_time(7 + PATIENCE);
        assert_eq!(fragments.deadline(), NEVER);
    }

    #[test]
    fn what_makes_no_sense_is_none() {
        assert!(Fragment::parse(&ipv4(&[1; 15], 3, 0, true)).is_none());
        assert!(Fragment::parse(&ipv4(&[], 3, 8, false)).is_none());
        assert!(Fragment::parse(&ipv4(&[1; 16], 3, 65_528, false)).is_none());
        assert!(Fragment::parse(&ipv4(&[1; 16], 3, 0, false)).is_none());
        let to: IpAddress = Ipv4Address::new(10, 0, 0, 2).into();
        let whole = ipv4(&[1; 16], 3, 8, true);
        assert_eq!(Fragment::parse(&whole).unwrap().key.to, to);
    }
}
