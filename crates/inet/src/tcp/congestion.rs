//! How much may be under way: slow start, congestion avoidance (RFC 5681),
//! and recovery from losses (NewReno, RFC 6582).

use crate::seq::Seq;

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

/// The congestion window and what it depends on, in bytes.
#[derive(Debug)]
pub struct Congestion {
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
    pub fn new(mss: u32, first: Seq) -> Congestion {
        Congestion {
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

    /// Bytes that may be under way.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Nothing was sent for longer than the time-out (RFC 5681, 4.1).
    pub fn was_idle(&mut self) {
        self.window = self.window.min(initial(self.mss));
    }

    /// `count` more bytes are acknowledged, up to `ack`; `flight` stay under
    /// way.
    pub fn acknowledged(&mut self, count: u32, ack: Seq, flight: u32) -> Verdict {
        self.duplicates = 0;
        match self.recover {
            Some(recover) if ack.before(recover) => {
                // A partial acknowledgement: the next segment is lost, too.
                self.window = self.window.saturating_sub(count).max(self.mss);
                if count >= self.mss {
                    self.window += self.mss;
                }
                Verdict::Resend
            }
            Some(_) => {
                self.recover = None;
                self.window = self.threshold.min(flight.max(self.mss) + self.mss);
                Verdict::Nothing
            }
            None => {
                self.grow(count);
                Verdict::Nothing
            }
        }
    }

    fn grow(&mut self, count: u32) {
        if self.window < self.threshold {
            self.window = self.window.saturating_add(count.min(2 * self.mss));
            return;
        }
        self.credit = self.credit.saturating_add(count);
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
        if self.duplicates != DUPLICATES || ack.before(self.not_before) {
            return Verdict::Nothing;
        }
        self.halve(flight);
        self.window = self.threshold.saturating_add(3 * self.mss);
        self.recover = Some(sent);
        self.not_before = sent;
        Verdict::Resend
    }

    /// Nothing came in time: `first` is whether for the first time since
    /// something did.
    pub fn timed_out(&mut self, first: bool, sent: Seq, flight: u32) {
        if first {
            self.halve(flight);
        }
        self.window = self.mss;
        self.credit = 0;
        self.duplicates = 0;
        self.recover = None;
        self.not_before = sent;
    }

    fn halve(&mut self, flight: u32) {
        self.threshold = (flight / 2).max(2 * self.mss);
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
        let mut control = Congestion::new(1000, Seq(0));
        assert_eq!(control.window(), 10_000);
        assert_eq!(
            control.acknowledged(1000, Seq(1000), 9000),
            Verdict::Nothing
        );
        assert_eq!(control.window(), 11_000);
        let sent = Seq(11_000);
        for _ in 0..2 {
            assert_eq!(control.duplicate(Seq(1000), sent, 10_000), Verdict::Nothing);
        }
        assert_eq!(control.duplicate(Seq(1000), sent, 10_000), Verdict::Resend);
        assert_eq!(control.window(), 8000);
        assert_eq!(control.duplicate(Seq(1000), sent, 10_000), Verdict::Nothing);
        assert_eq!(control.acknowledged(2000, Seq(3000), 8000), Verdict::Resend);
        assert_eq!(control.acknowledged(8000, sent, 0), Verdict::Nothing);
        assert_eq!(control.window(), 2000);
        control.timed_out(true, sent, 2000);
        assert_eq!(control.window(), 1000);
    }
}
