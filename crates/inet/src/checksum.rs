//! The Internet's checksum (RFC 1071), of data that may be in several pieces and may be
//! copied meanwhile.

use smoltcp::wire::{IpAddress, IpProtocol};

/// Bytes of a word, of which each half is added to one of two sums.
const WORD: usize = size_of::<u64>();
/// Bytes that are added up in one turn of the loop.
const BLOCK: usize = 8 * WORD;

/// The sum, in ones' complement, of 16-bit numbers in network order.
///
/// The order of bytes does not matter to such a sum until it is read (RFC 1071, 2, B),
/// so all is added up as it is in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// The sums of the halves of words of eight bytes, each as it is in memory.
    low: u64,
    high: u64,
    /// An odd number of bytes was added.
    is_odd: bool,
}

impl Sum {
    /// Of nothing.
    pub const fn new() -> Sum {
        Sum {
            low: 0,
            high: 0,
            is_odd: false,
        }
    }

    /// That of the pseudo-header of what a packet carries, so many bytes (RFC 9293, 3.1;
    /// RFC 8200, 8.1).
    pub fn pseudo_header(
        from: IpAddress,
        to: IpAddress,
        protocol: IpProtocol,
        length: usize,
    ) -> Sum {
        let address = |sum: Sum, address| match address {
            IpAddress::Ipv4(address) => sum.with_word(u32::from_ne_bytes(address.octets()).into()),
            IpAddress::Ipv6(address) => {
                let octets = address.octets();
                let (words, _) = octets.as_chunks::<WORD>();
                let words = words.iter().copied().map(u64::from_ne_bytes);
                words.fold(sum, Sum::with_word)
            }
        };
        let length = (length as u32).to_be();
        let protocol = u32::from(u8::from(protocol)).to_be();
        let last = u64::from(length) << 32 | u64::from(protocol);
        address(address(Sum::new(), from), to).with_word(last)
    }

    /// With these bytes behind those before.
    pub fn with(self, bytes: &[u8]) -> Sum {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let (words, rest) = rest.as_chunks::<WORD>();
        let mut sum = Sum::new();
        for block in blocks {
            let (words, _) = block.as_chunks::<WORD>();
            sum = words.iter().fold(sum, Sum::with_bytes);
        }
        sum = words.iter().fold(sum, Sum::with_bytes);
        self.and(sum.with_rest(rest))
    }

    /// The same, with the bytes copied to a place as long as they are.
    pub fn with_copied(self, to: &mut [u8], from: &[u8]) -> Sum {
        to.copy_from_slice(from);
        self.with(to)
    }

    /// With a word as it is in memory, where the number of bytes before is even. Fewer
    /// than 2^32 words fit in memory, so that neither half overflows.
    fn with_word(self, word: u64) -> Sum {
        Sum {
            low: self.low + (word & 0xffff_ffff),
            high: self.high + (word >> 32),
            ..self
        }
    }

    fn with_bytes(self, word: &[u8; WORD]) -> Sum {
        self.with_word(u64::from_ne_bytes(*word))
    }

    /// With fewer bytes than a word has, as a word with zeroes behind them.
    fn with_rest(self, mut rest: &[u8]) -> Sum {
        let is_odd = rest.len() % 2 == 1;
        let mut sum = self;
        if let Some((four, behind)) = rest.split_first_chunk() {
            sum = sum.with_word(u32::from_ne_bytes(*four).into());
            rest = behind;
        }
        if let Some((two, behind)) = rest.split_first_chunk() {
            sum = sum.with_word(u16::from_ne_bytes(*two).into());
            rest = behind;
        }
        if let [last] = rest {
            sum = sum.with_word(u16::from_ne_bytes([*last, 0]).into());
        }
        Sum { is_odd, ..sum }
    }

    /// With the sum of the bytes behind these.
    fn and(self, behind: Sum) -> Sum {
        let (mut low, mut high) = (behind.low, behind.high);
        if self.is_odd {
            // Every byte of these is in the other half of its number (RFC 1071, 2, A).
            (low, high) = (u64::from(fold(low, high).swap_bytes()), 0);
        }
        Sum {
            low: self.low + low,
            high: self.high + high,
            is_odd: self.is_odd ^ behind.is_odd,
        }
    }

    /// The sum, which is to be written in network order.
    pub fn value(self) -> u16 {
        u16::from_be(fold(self.low, self.high))
    }

    /// The checksum: what makes the sum of all that is covered all ones.
    pub fn checksum(self) -> u16 {
        !self.value()
    }

    /// The same where zero says that there is none (RFC 768; RFC 3542, 3.1): its other form.
    pub fn checksum_not_zero(self) -> u16 {
        match self.checksum() {
            0 => u16::MAX,
            checksum => checksum,
        }
    }

    /// Whether the sum of all, their checksum included, is as it must be.
    pub fn is_right(self) -> bool {
        self.value() == u16::MAX
    }
}

fn fold(low: u64, high: u64) -> u16 {
    let mut sum = (low & 0xffff_ffff) + (low >> 32) + (high & 0xffff_ffff) + (high >> 32);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071, 4.1, number by number.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0u64;
        for pair in bytes.chunks(2) {
            sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| low.into());
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    proptest! {
        #[test]
        fn pieces_make_the_sum_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            mut cuts in prop::collection::vec(0usize..300, 0..5),
            ones in any::<bool>(),
        ) {
            let bytes = if ones { vec![0xff; bytes.len()] } else { bytes };
            cuts.iter_mut().for_each(|cut| *cut = (*cut).min(bytes.len()));
            cuts.sort_unstable();
            let (mut sum, mut copied, mut from) = (Sum::new(), Sum::new(), 0);
            let mut copy = vec![0; bytes.len()];
            for to in cuts.into_iter().chain([bytes.len()]) {
                sum = sum.with(&bytes[from..to]);
                copied = copied.with_copied(&mut copy[from..to], &bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(sum.value(), plain(&bytes));
            prop_assert_eq!(copied.value(), plain(&bytes));
            prop_assert_eq!(copy, bytes);
        }
    }

    #[test]
    fn a_checksum_is_right_where_it_is() {
        // The example of RFC 1071, 3.
        let bytes = [0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::new().with(&bytes).value(), 0xddf2);
        let checksum = Sum::new().with(&bytes).checksum();
        let whole = Sum::new().with(&bytes).with(&checksum.to_be_bytes());
        assert!(whole.is_right());
        assert!(!whole.with(&[1]).is_right());
    }
}
