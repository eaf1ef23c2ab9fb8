//! A card that finishes frames, for tests.

use paddock_inet::{Cut, Offloads, Unfinished, finish_checksum};
use smoltcp::wire::{Ipv4Packet, Ipv6Packet, TcpPacket, TcpSeqNumber};

/// Bytes of the headers of Ethernet and of IP without options.
const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// The largest frame that it cuts.
const LARGEST: usize = 32 << 10;

/// What becomes of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Card {
    /// It does nothing.
    #[default]
    Plain,
    /// It fills in checksums, and cuts what is larger than a frame.
    Cuts,
    /// It fills in checksums; what is larger arrives as it is, as between machines
    /// of one host.
    Passes,
}

impl Card {
    pub fn of_seed(seed: u64) -> Card {
        [Card::Plain, Card::Cuts, Card::Passes][seed as usize % 3]
    }

    pub fn offloads(self) -> Offloads {
        let does = self != Card::Plain;
        Offloads {
            checksums: does,
            cuts_ipv4: does,
            cuts_ipv6: does,
            largest_frame: LARGEST,
        }
    }

    /// The frames that one becomes.
    pub fn finish(self, mut frame: Vec<u8>, unfinished: Option<Unfinished>) -> Vec<Vec<u8>> {
        let Some(unfinished) = unfinished else {
            assert!(frame.len() <= ETHERNET + 1500);
            return vec![frame];
        };
        let Unfinished { start, cut } = unfinished;
        assert!(finish_checksum(
            &mut frame,
            start.into(),
            Unfinished::FIELD.into()
        ));
        match cut {
            Some(cut) if self == Card::Cuts => pieces(&frame, start.into(), cut),
            _ => vec![frame],
        }
    }
}

/// The pieces of a large segment, each with headers of its own.
fn pieces(frame: &[u8], start: usize, cut: Cut) -> Vec<Vec<u8>> {
    let (headers, data) = frame.split_at(cut.headers.into());
    assert!(data.len() > cut.size.into(), "it fits as it is");
    let count = data.chunks(cut.size.into()).len();
    let piece = |(number, data): (usize, &[u8])| {
        let mut piece = [headers, data].concat();
        assert!(piece.len() <= ETHERNET + 1500, "it does not fit");
        let (_, packet) = piece.split_at_mut(ETHERNET);
        let length = packet.len();
        let (from, to) = match cut.is_ipv6 {
            false => {
                let mut ip = Ipv4Packet::new_unchecked(&mut *packet);
                ip.set_total_len(length as u16);
                ip.fill_checksum();
                (ip.src_addr().into(), ip.dst_addr().into())
            }
            true => {
                let mut ip = Ipv6Packet::new_unchecked(&mut *packet);
                ip.set_payload_len((length - IPV6) as u16);
                (ip.src_addr().into(), ip.dst_addr().into())
            }
        };
        let mut tcp = TcpPacket::new_unchecked(&mut piece[start..]);
        let behind = number * usize::from(cut.size);
        tcp.set_seq_number(TcpSeqNumber(tcp.seq_number().0.wrapping_add(behind as i32)));
        if number + 1 < count {
            tcp.set_fin(false);
            tcp.set_psh(false);
        }
        tcp.fill_checksum(&from, &to);
        piece
    };
    data.chunks(cut.size.into())
        .enumerate()
        .map(piece)
        .collect()
}
