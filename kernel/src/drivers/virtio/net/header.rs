//! What the driver and the card agree on, and the header in front of each frame
//! (virtio 1.2, 5.1.3 and 5.1.6).

use paddock_inet::{Offloads, Unfinished, finish_checksum};

const CHECKSUM: u64 = 1 << 0;
const GUEST_CHECKSUM: u64 = 1 << 1;
const MAC: u64 = 1 << 5;
const GUEST_CUTS_IPV4: u64 = 1 << 7;
const GUEST_CUTS_IPV6: u64 = 1 << 8;
const CUTS_IPV4: u64 = 1 << 11;
const CUTS_IPV6: u64 = 1 << 12;
const MERGED: u64 = 1 << 15;
const VERSION_1: u64 = 1 << 32;

/// Bits of the flags.
const NEEDS_CHECKSUM: u8 = 1;
const IS_VALID: u8 = 2;
/// How a segment is to be cut.
const TCP_IPV4: u8 = 1;
const TCP_IPV6: u8 = 4;

/// The longest header.
const LONGEST: usize = 12;

/// What was agreed on.
#[derive(Clone, Copy, Debug)]
pub struct Features(u64);

impl Features {
    /// What there is use for of what a card offers, each with what it depends on.
    pub fn of(offered: u64) -> Features {
        let mut wanted = offered & (MAC | VERSION_1 | CHECKSUM | GUEST_CHECKSUM);
        if offered & CHECKSUM != 0 {
            wanted |= offered & (CUTS_IPV4 | CUTS_IPV6);
        }
        let large = offered & (GUEST_CUTS_IPV4 | GUEST_CUTS_IPV6);
        // What is larger than a buffer comes in several, or not at all.
        if large != 0 && offered & GUEST_CHECKSUM != 0 && offered & MERGED != 0 {
            wanted |= large | MERGED;
        }
        Features(wanted)
    }

    /// The bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    fn has(self, feature: u64) -> bool {
        self.0 & feature != 0
    }

    /// Whether frames come that are larger than the wire's, in several buffers.
    pub fn is_merged(self) -> bool {
        self.has(MERGED)
    }

    /// Bytes of the header.
    pub fn header(self) -> usize {
        // The count of buffers at the end.
        match self.has(MERGED | VERSION_1) {
            true => LONGEST,
            false => LONGEST - 2,
        }
    }

    /// What the card does in place of the stack, with frames of up to this many
    /// bytes.
    pub fn offloads(self, largest_frame: usize) -> Offloads {
        Offloads {
            checksums: self.has(CHECKSUM),
            cuts_ipv4: self.has(CUTS_IPV4),
            cuts_ipv6: self.has(CUTS_IPV6),
            largest_frame,
        }
    }
}

/// Writes the header of a frame to be sent.
pub fn write(header: &mut [u8], unfinished: Option<Unfinished>) {
    header.fill(0);
    let Some(Unfinished { start, cut }) = unfinished else {
        return;
    };
    header[0] = NEEDS_CHECKSUM;
    header[6..8].copy_from_slice(&start.to_le_bytes());
    header[8..10].copy_from_slice(&Unfinished::FIELD.to_le_bytes());
    if let Some(cut) = cut {
        header[1] = match cut.is_ipv6 {
            true => TCP_IPV6,
            false => TCP_IPV4,
        };
        header[2..4].copy_from_slice(&cut.headers.to_le_bytes());
        header[4..6].copy_from_slice(&cut.size.to_le_bytes());
    }
}

/// What a card says of a checksum in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// Nothing.
    Unknown,
    /// It is right.
    Right,
    /// It is not there, since the frame was on no wire: where what it covers begins,
    /// and where it belongs behind that.
    Missing(u16, u16),
}

impl Sum {
    /// From a header.
    pub fn read(header: &[u8]) -> Sum {
        let number = |at| u16::from_le_bytes([header[at], header[at + 1]]);
        match header[0] {
            flags if flags & NEEDS_CHECKSUM != 0 => Sum::Missing(number(6), number(8)),
            flags if flags & IS_VALID != 0 => Sum::Right,
            _ => Sum::Unknown,
        }
    }

    /// Fills it in if it is missing, for somebody who will look at it.
    pub fn finish(self, frame: &mut [u8]) {
        if let Sum::Missing(start, field) = self {
            // Without room for it the frame is none.
            let _ = finish_checksum(frame, start.into(), field.into());
        }
    }
}

/// How many buffers a frame takes, from a header with such a count.
pub fn buffers(header: &[u8]) -> usize {
    match header {
        [.., low, high] => u16::from_le_bytes([*low, *high]).into(),
        _ => 1,
    }
}
