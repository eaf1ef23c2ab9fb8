//! What a card does to frames that it sends and has received, in place of the
//! stack.

use crate::checksum::Sum;
use crate::segment::CHECKSUM_AT;

/// What the card can do with segments of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It fills in the checksum.
    pub checksums: bool,
    /// It cuts the segment in a large frame over IPv4 into such that fit, each
    /// with headers like the first's. With `checksums` alone.
    pub cuts_ipv4: bool,
    /// The same over IPv6.
    pub cuts_ipv6: bool,
    /// Bytes of the largest frame that it cuts.
    pub largest_frame: usize,
}

/// What the card is still to do to the segment in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Where in the frame the segment begins. The checksum goes over all from
    /// there on; its field has the sum of the pseudo-header.
    pub start: u16,
    /// How it is to be cut, if it is.
    pub cut: Option<Cut>,
}

/// How a segment is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of data in each piece; the last may have fewer.
    pub size: u16,
    /// Bytes of all headers, the frame's included.
    pub headers: u16,
    /// Whether the packet is of IPv6.
    pub is_ipv6: bool,
}

impl Unfinished {
    /// Where the checksum's field is in the segment.
    pub const FIELD: u16 = CHECKSUM_AT as u16;
}

/// Fills in a checksum (RFC 1071) that whoever sent the frame has left to a card: over
/// all from `start` on, into the field `field` bytes behind that. Whether the frame
/// has such a field.
pub fn finish_checksum(frame: &mut [u8], start: usize, field: usize) -> bool {
    let Some(covered) = frame.get_mut(start..) else {
        return false;
    };
    let sum = Sum::new().with(covered).checksum();
    let field = covered.get_mut(field..).and_then(|it| it.first_chunk_mut());
    match field {
        Some(field) => *field = sum.to_be_bytes(),
        None => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_filled_in_where_it_belongs() {
        // The example of RFC 1071, 3: the sum of these bytes is ddf2.
        let mut frame = [9, 9, 0, 0, 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7];
        assert!(finish_checksum(&mut frame, 2, 0));
        assert_eq!(frame[2..4], (!0xddf2u16).to_be_bytes());
        for (start, field) in [(13, 0), (2, 9), (2, 10), (12, 0), (0, usize::MAX)] {
            assert!(
                !finish_checksum(&mut frame, start, field),
                "{start} {field}"
            );
        }
        let mut odd = [0, 0, 1];
        assert!(finish_checksum(&mut odd, 0, 0));
        assert_eq!(odd[..2], (!0x100u16).to_be_bytes());
    }
}
