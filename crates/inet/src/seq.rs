//! Sequence numbers (RFC 9293, 3.4): 32 bits that wrap around.

use core::ops::{Add, AddAssign, Sub};

/// A sequence number. Two are compared by the shorter way around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seq(pub u32);

impl Seq {
    /// Whether this one comes before `other`.
    pub fn before(self, other: Seq) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether this one comes after `other`.
    pub fn after(self, other: Seq) -> bool {
        other.before(self)
    }

    /// The later of two.
    pub fn max(self, other: Seq) -> Seq {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two.
    pub fn min(self, other: Seq) -> Seq {
        if other.before(self) { other } else { self }
    }

    /// How far this one is behind `earlier`; 0 if it comes before that.
    pub fn since(self, earlier: Seq) -> usize {
        (self.0.wrapping_sub(earlier.0) as i32).max(0) as usize
    }
}

impl Add<usize> for Seq {
    type Output = Seq;

    fn add(self, count: usize) -> Seq {
        Seq(self.0.wrapping_add(count as u32))
    }
}

impl Sub<usize> for Seq {
    type Output = Seq;

    fn sub(self, count: usize) -> Seq {
        Seq(self.0.wrapping_sub(count as u32))
    }
}

impl AddAssign<usize> for Seq {
    fn add_assign(&mut self, count: usize) {
        *self = *self + count;
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;

    #[test]
    fn order_wraps_around() {
        let (low, high) = (Seq(5), Seq(u32::MAX - 5));
        assert!(high.before(low) && low.after(high));
        assert_eq!(low.since(high), 11);
        assert_eq!(high.since(low), 0);
        assert_eq!(high + 11, low);
        assert_eq!(low - 11, high);
        assert_eq!(high.max(low), low);
        assert_eq!(high.min(low), high);
    }
}
