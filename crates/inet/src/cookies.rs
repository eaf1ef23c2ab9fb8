//! First numbers that remember a beginning in place of memory (RFC 4987, 3.6): a
//! flood of beginnings costs nothing, and whoever answers is known again.
//!
//! From the highest bit: 29 bits of a keyed hash of both ends, the peer's first
//! number, the period and the size; whether the period is odd; which of four sizes
//! the peer's segments have at least.

use crate::SECOND;
use crate::keys::{Keys, Tuple};
use crate::seq::Seq;

/// Sizes of segments (bytes of data) that are told apart: IPv4's least, IPv6's
/// least, and those of Ethernet.
const SIZES: [u16; 4] = [536, 1220, 1440, 1460];
/// A cookie is good for one period to two.
const PERIOD: u64 = 64 * SECOND;
/// Cookies are good for at most so long, in nanoseconds.
pub const LIFETIME: u64 = 2 * PERIOD;

const HASHED: u32 = !7;

fn cookie(keys: &Keys, tuple: &Tuple, first: Seq, period: u64, size: usize) -> Seq {
    let hash = keys.cookie(tuple, first, period, size) as u32;
    Seq(hash & HASHED | (period as u32 & 1) << 2 | size as u32)
}

/// The first number for a connection with these ends whose peer began with `first`
/// and takes segments of `mss` bytes.
pub fn make(keys: &Keys, tuple: &Tuple, first: Seq, mss: u16, now: u64) -> Seq {
    let size = SIZES.iter().rposition(|&size| size <= mss).unwrap_or(0);
    cookie(keys, tuple, first, now / PERIOD, size)
}

/// The size of the peer's segments, if `number` was made for it, and not too long
/// ago.
pub fn check(keys: &Keys, tuple: &Tuple, first: Seq, number: Seq, now: u64) -> Option<u16> {
    let (period, size) = (now / PERIOD, (number.0 & 3) as usize);
    let same = u64::from(number.0 >> 2 & 1) == period & 1;
    let period = if same { period } else { period.checked_sub(1)? };
    (cookie(keys, tuple, first, period, size) == number).then(|| SIZES[size])
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::{IpEndpoint, Ipv4Address};

    fn tuple(port: u16) -> Tuple {
        let at = |last, port| IpEndpoint::new(Ipv4Address::new(10, 0, 0, last).into(), port);
        Tuple {
            local: at(1, 80),
            remote: at(2, port),
        }
    }

    #[test]
    fn what_was_made_is_known_for_a_while_and_nothing_else() {
        let mut number = 0u64;
        let keys = Keys::new(|| {
            number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
            number
        });
        let first = Seq(77);
        for (mss, known) in [
            (100, 536),
            (536, 536),
            (1460, 1460),
            (1459, 1440),
            (9000, 1460),
        ] {
            for at in [0, PERIOD - 1, PERIOD, 5 * PERIOD + 3] {
                let made = make(&keys, &tuple(9), first, mss, at);
                let check = |now| check(&keys, &tuple(9), first, made, now);
                assert_eq!(check(at), Some(known));
                assert_eq!(check(at + PERIOD), Some(known));
                assert_eq!(check(at + LIFETIME), None);
                assert_eq!(check(at + 3 * PERIOD), None);
            }
        }
        let made = make(&keys, &tuple(9), first, 1460, PERIOD);
        assert_eq!(check(&keys, &tuple(8), first, made, PERIOD), None);
        assert_eq!(check(&keys, &tuple(9), Seq(78), made, PERIOD), None);
        let others = (0..32).map(|bit| Seq(made.0 ^ 1 << bit));
        let taken = others.filter(|&other| check(&keys, &tuple(9), first, other, PERIOD).is_some());
        assert_eq!(taken.count(), 0);
    }
}
