//! Timestamps, and what they protect from (RFC 7323).

use crate::SECOND;
use crate::options::{Options, Stamps as Told};
use crate::seq::Seq;

/// A clock of the peer that was heard longer ago may have gone around: 24
/// days, in nanoseconds (5.5).
const OLD: u64 = 24 * 24 * 3600 * SECOND;

/// Both sides' clocks.
#[derive(Debug)]
pub struct Stamps {
    /// Both sides have agreed.
    agreed: bool,
    /// What is added to this side's milliseconds.
    offset: u32,
    /// TS.Recent, and when it was heard, in nanoseconds.
    recent: u32,
    recent_at: u64,
    /// Last.ACK.sent.
    acknowledged: Seq,
}

impl Stamps {
    /// Those of a connection; `offset` is known to nobody.
    pub const fn new(offset: u32) -> Stamps {
        Stamps {
            agreed: false,
            offset,
            recent: 0,
            recent_at: 0,
            acknowledged: Seq(0),
        }
    }

    /// The peer's SYN has come: whether both have clocks from now on.
    pub fn agree(&mut self, now: u64, offered: bool, syn: &Options, expected: Seq) -> bool {
        if let Some(Told { value, .. }) = syn.stamps.filter(|_| offered) {
            self.agreed = true;
            (self.recent, self.recent_at) = (value, now);
            self.acknowledged = expected;
        }
        self.agreed
    }

    /// Whether both sides have agreed.
    pub fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// What SYN tells, and every segment once both have agreed.
    pub fn told(&self, now: u64) -> Told {
        Told {
            value: ((now / 1_000_000) as u32).wrapping_add(self.offset),
            echo: self.recent,
        }
    }

    /// `ack` is acknowledged by a segment that is sent now.
    pub fn acknowledges(&mut self, ack: Seq) {
        self.acknowledged = ack;
    }

    /// Whether a segment is a copy from long ago (5.3, R1).
    pub fn is_old(&self, now: u64, options: &Options) -> bool {
        let Some(Told { value, .. }) = options.stamps.filter(|_| self.agreed) else {
            return false;
        };
        Seq(value).before(Seq(self.recent)) && now.saturating_sub(self.recent_at) < OLD
    }

    /// A segment has come whose first number is `seq` (5.3, R3).
    pub fn hear(&mut self, now: u64, options: &Options, seq: Seq) {
        if let Some(Told { value, .. }) = options.stamps.filter(|_| self.agreed)
            && !seq.after(self.acknowledged)
            && (!Seq(value).before(Seq(self.recent)) || now.saturating_sub(self.recent_at) >= OLD)
        {
            (self.recent, self.recent_at) = (value, now);
        }
    }

    /// How long ago what a segment answers was sent, in nanoseconds (4.1).
    pub fn trip(&self, now: u64, options: &Options) -> Option<u64> {
        let told = options
            .stamps
            .filter(|told| self.agreed && told.echo != 0)?;
        let past = self.told(now).value.wrapping_sub(told.echo);
        (past < 600_000).then(|| u64::from(past.max(1)) * 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(value: u32) -> Options {
        let stamps = Some(Told { value, echo: 0 });
        Options {
            stamps,
            ..Options::default()
        }
    }

    #[test]
    fn copies_from_long_ago_are_told_apart() {
        let mut stamps = Stamps::new(u32::MAX - 2);
        assert!(!stamps.is_old(0, &options(5)));
        assert!(stamps.agree(0, true, &options(u32::MAX), Seq(100)));
        assert!(stamps.is_old(0, &options(u32::MAX - 1)));
        stamps.hear(1, &options(4), Seq(100));
        assert!(stamps.is_old(2, &options(3)) && !stamps.is_old(2, &options(4)));
        // Ahead of what was acknowledged: it does not count yet.
        stamps.hear(3, &options(9), Seq(101));
        assert!(!stamps.is_old(4, &options(5)));
        assert!(!stamps.is_old(OLD + 5, &options(1)));
        assert_eq!(stamps.told(5_000_000).value, 2);
        let mut answer = options(9);
        answer.stamps = Some(Told { value: 9, echo: 1 });
        assert_eq!(stamps.trip(5_000_000, &answer), Some(1_000_000));
    }

    #[test]
    fn nothing_counts_unless_both_agree() {
        let mut stamps = Stamps::new(0);
        assert!(!stamps.agree(0, false, &options(7), Seq(0)));
        stamps.hear(1, &options(9), Seq(0));
        assert!(!stamps.is_old(2, &options(1)));
        assert_eq!(stamps.trip(3, &options(1)), None);
    }
}
