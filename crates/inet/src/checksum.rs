//! The Internet's checksum (RFC 1071), of data that may be in several pieces and may be
//! copied meanwhile.

use smoltcp::wire::{IpAddress, IpProtocol};
use zerocopy::FromBytes;

/// Bytes that are added up at once.
const WORD: usize = size_of::<u64>();

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
        let sum = [from, to]
            .iter()
            .fold(Sum::new(), |sum, address| match address {
                IpAddress::Ipv4(address) => sum.with(&address.octets()),
                IpAddress::Ipv6(address) => sum.with(&address.octets()),
            });
        let length = (length as u32).to_be_bytes();
        sum.with(&length).with(&[0, u8::from(protocol)])
    }

    /// With these bytes behind those before.
    pub fn with(self, bytes: &[u8]) -> Sum {
        // A load of a whole word has to be where words are.
        let before = bytes.as_ptr().align_offset(WORD).min(bytes.len());
        let (before, rest) = bytes.split_at(before);
        let sum = self.with_few(before);
        match <[u64]>::ref_from_prefix(rest) {
            Ok((words, after)) => sum.with_words(words).with_few(after),
            Err(_) => sum.with_few(rest),
        }
    }

    /// The same, with the bytes copied to a place as long as they are.
    pub fn with_copied(self, to: &mut [u8], from: &[u8]) -> Sum {
        to.copy_from_slice(from);
        self.with(to)
    }

    fn with_words(self, words: &[u64]) -> Sum {
        let (mut low, mut high) = (0, 0);
        for &word in words {
            add(&mut low, &mut high, word);
        }
        self.and(low, high, false)
    }

    /// Bytes wherever they are.
    fn with_few(self, bytes: &[u8]) -> Sum {
        let (mut low, mut high) = (0, 0);
        for chunk in bytes.chunks(WORD) {
            let mut word = [0; WORD];
            word[..chunk.len()].copy_from_slice(chunk);
            add(&mut low, &mut high, u64::from_ne_bytes(word));
        }
        self.and(low, high, bytes.len() % 2 == 1)
    }

    /// With the sums of more words, which are of an odd number of bytes or not.
    fn and(self, mut low: u64, mut high: u64, is_odd: bool) -> Sum {
        if self.is_odd {
            // Every byte of these is in the other half of its number (RFC 1071, 2, A).
            (low, high) = (u64::from(fold(low, high).swap_bytes()), 0);
        }
        Sum {
            low: self.low + low,
            high: self.high + high,
            is_odd: self.is_odd ^ is_odd,
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

/// Fewer than 2^32 words fit in memory, so that no sum overflows.
fn add(low: &mut u64, high: &mut u64, word: u64) {
    *low += word & 0xffff_ffff;
    *high += word >> 32;
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
