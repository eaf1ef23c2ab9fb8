//! How much may be under way: slow start, congestion avoidance (RFC 5681, RFC
//! 9438), and recovery from losses: NewReno's (RFC 6582), or by what the peer
//! tells of what it has (RFC 6675).

use super::cubic::Cubic;
use crate::seq::Seq;
use crate::settings::Algorithm;

/// Duplicate acknowledgements that mean a loss.
const DUPLICATES: u8 = 3;

/// What an acknowledgement asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Nothing,
    /// To send the first segment again.
    Resend,
}

/// An acknowledgement of something new.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// So many bytes, up to `una`.
    pub count: u32,
    /// See [`Self::count`].
    pub una: Seq,
    /// Bytes that stay under way.
    pub flight: u32,
    /// Losses are found by what the peer tells of what it has.
    pub selective: bool,
    /// The time, and that of a round trip, in nanoseconds.
    pub now: u64,
    /// See [`Self::now`].
    pub trip: u64,
}

/// The congestion window and what it depends on, in bytes.
#[derive(Debug)]
pub struct Congestion {
    algorithm: Algorithm,
    cubic: Cubic,
    window: u32,
    threshold: u32,
    mss: u32,
    /// Bytes acknowledged in congestion avoidance since the last increase.
    credit: u32,
    duplicates: u8,
    /// What has to be acknowledged for the recovery to be over.
    recover: Option<Seq>,
    /// No fast retransmission for what was sent before this (RFC 6582, 3.2).
    not_before: Seq,
}

impl Congestion {
    /// For a connection whose first number is `first`.
    pub fn new(algorithm: Algorithm, mss: u32, first: Seq) -> Congestion {
        Congestion {
            algorithm,
            cubic: Cubic::default(),
            window: initial(mss),
            threshold: u32::MAX,
            mss,
            credit: 0,
            duplicates: 0,
            recover: None,
            not_before: first,
        }
    }

    /// The segment size is known: the connection begins.
    pub fn begin(&mut self, mss: u32) {
        self.mss = mss;
        self.window = initial(mss);
    }

    /// TCP_CONGESTION.
    pub fn set(&mut self, algorithm: Algorithm) {
        self.algorithm = algorithm;
        self.cubic = Cubic::default();
    }

    /// Slow start ends at this window, in bytes.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Whether what was lost is being sent again.
    pub fn is_recovering(&self) -> bool {
        self.recover.is_some()
    }

    /// Bytes that may be under way.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Nothing was sent for longer than the time-out (RFC 5681, 4.1).
    pub fn was_idle(&mut self) {
        self.window = self.window.min(initial(self.mss));
        self.cubic.was_idle();
    }

    /// More bytes are acknowledged.
    pub fn acknowledged(&mut self, ack: &Acknowledged) -> Verdict {
        self.duplicates = 0;
        match self.recover {
            Some(recover) if ack.una.before(recover) && ack.selective => Verdict::Nothing,
            Some(recover) if ack.una.before(recover) => {
                // A partial acknowledgement: the next segment is lost, too.
                self.window = self.window.saturating_sub(ack.count).max(self.mss);
                if ack.count >= self.mss {
                    self.window += self.mss;
                }
                Verdict::Resend
            }
            Some(_) => {
                self.recover = None;
                self.window = self.threshold.min(ack.flight.max(self.mss) + self.mss);
                Verdict::Nothing
            }
            None => {
                self.grow(ack);
                Verdict::Nothing
            }
        }
    }

    fn grow(&mut self, ack: &Acknowledged) {
        if self.window < self.threshold {
            self.window = self.window.saturating_add(ack.count.min(2 * self.mss));
            return;
        }
        if self.algorithm == Algorithm::Cubic {
            let Acknowledged {
                count, now, trip, ..
            } = *ack;
            self.window = self.cubic.grow(self.window, self.mss, count, now, trip);
            return;
        }
        self.credit = self.credit.saturating_add(ack.count);
        if self.credit >= self.window {
            self.credit -= self.window;
            self.window = self.window.saturating_add(self.mss);
        }
    }

    /// The same number is acknowledged once more; `flight` bytes are under
    /// way, up to `sent`.
    pub fn duplicate(&mut self, ack: Seq, sent: Seq, flight: u32) -> Verdict {
        if self.recover.is_some() {
            // Another segment has left the network.
            self.window = self.window.saturating_add(self.mss);
            return Verdict::Nothing;
        }
        self.duplicates = self.duplicates.saturating_add(1);
        if self.duplicates != DUPLICATES || !self.lost(ack, sent, flight) {
            return Verdict::Nothing;
        }
        self.window = self.threshold.saturating_add(3 * self.mss);
        Verdict::Resend
    }

    /// Something before `sent` is lost. Whether that begins a recovery.
    pub fn lost(&mut self, ack: Seq, sent: Seq, flight: u32) -> bool {
        if self.recover.is_some() || ack.before(self.not_before) {
            return false;
        }
        self.reduce(flight);
        self.window = self.threshold;
        self.recover = Some(sent);
        self.not_before = sent;
        true
    }

    /// Nothing came in time: `first` is whether for the first time since
    /// something did.
    pub fn timed_out(&mut self, first: bool, sent: Seq, flight: u32) {
        if first {
            self.reduce(flight);
        }
        self.window = self.mss;
        self.credit = 0;
        self.duplicates = 0;
        self.recover = None;
        self.not_before = sent;
    }

    fn reduce(&mut self, flight: u32) {
        let less = match self.algorithm {
            Algorithm::Reno => flight / 2,
            Algorithm::Cubic => {
                self.cubic.reduce(self.window);
                Cubic::threshold(flight)
            }
        };
        self.threshold = less.max(2 * self.mss);
    }
}

/// The initial window (RFC 6928).
fn initial(mss: u32) -> u32 {
    (10 * mss).min((2 * mss).max(14600)).max(2 * mss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_mended_once() {
        let mut control = Congestion::new(Algorithm::Reno, 1000, Seq(0));
        let ack = |count: u32, una: Seq, flight: u32| Acknowledged {
            count,
            una,
            flight,
            selective: false,
            now: 0,
            trip: 0,
        };
        assert_eq!(control.window(), 10_000);
        let first = control.acknowledged(&ack(1000, Seq(1000), 9000));
        assert_eq!((first, control.window()), (Verdict::Nothing, 11_000));
        let sent = Seq(11_000);
        for _ in 0..2 {
            assert_eq!(control.duplicate(Seq(1000), sent, 10_000), Verdict::Nothing);
        }
        assert_eq!(control.duplicate(Seq(1000), sent, 10_000), Verdict::Resend);
        assert_eq!(control.window(), 8000);
        assert_eq!(control.duplicate(Seq(1000), sent, 10_000), Verdict::Nothing);
        let partial = control.acknowledged(&ack(2000, Seq(3000), 8000));
        assert_eq!(partial, Verdict::Resend);
        let whole = control.acknowledged(&ack(8000, sent, 0));
        assert_eq!(whole, Verdict::Nothing);
        assert_eq!(control.window(), 2000);
        control.timed_out(true, sent, 2000);
        assert_eq!(control.window(), 1000);
    }
}
