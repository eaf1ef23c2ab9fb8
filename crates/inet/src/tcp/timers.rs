//! What happens when nothing does: retransmission, probes, keep-alive, delayed
//! acknowledgements (RFC 9293, 3.8; RFC 1122, 4.2.3).

use super::{Connection, State};
use crate::{NEVER, SECOND};
use paddock_abi::Errno;
use paddock_sync::Ready;

/// How often data is sent again before the peer is given up (`tcp_retries2`).
const RETRIES: u32 = 15;
/// The same when no socket is there (`tcp_orphan_retries`).
const ORPHAN_RETRIES: u32 = 8;
/// How often SYN is answered again (`tcp_synack_retries`).
const ANSWER_RETRIES: u32 = 5;
/// How long an acknowledgement may wait, in nanoseconds (RFC 1122, 4.2.3.2).
pub const DELAYED_ACK: u64 = 40_000_000;
/// How long queues that are empty keep their memory, in nanoseconds.
const TRIM: u64 = SECOND;

/// When something is due, in nanoseconds; [`NEVER`] if it is not.
#[derive(Debug)]
pub struct Timers {
    /// Retransmission, or the probe of a closed window.
    pub resend: u64,
    /// A delayed acknowledgement.
    pub ack: u64,
    /// Memory of empty queues is given back.
    pub trim: u64,
    /// The connection is over, whatever happens (FIN-WAIT-2 without a socket).
    pub end: u64,
    /// Keep-alive.
    pub keep: u64,
    /// When something last came from the peer.
    pub heard: u64,
    /// When data or the end was last sent.
    pub sent: u64,
    /// When the first of the failed attempts was made.
    pub failing: u64,
    /// Attempts since the peer last acknowledged anything.
    pub attempts: u32,
    /// Keep-alive probes without an answer.
    pub probes: u32,
    /// When an acknowledgement last answered a segment that may be forged.
    pub challenged: u64,
}

impl Timers {
    pub const fn new() -> Timers {
        Timers {
            resend: NEVER,
            ack: NEVER,
            trim: NEVER,
            end: NEVER,
            keep: NEVER,
            heard: 0,
            sent: 0,
            failing: 0,
            attempts: 0,
            probes: 0,
            challenged: 0,
        }
    }

    /// Nothing is due any more.
    pub fn clear(&mut self) {
        (self.resend, self.ack, self.end) = (NEVER, NEVER, NEVER);
        (self.keep, self.trim) = (NEVER, NEVER);
    }

    /// The earliest.
    fn next(&self) -> u64 {
        let rest = self.trim.min(self.end).min(self.keep);
        self.resend.min(self.ack).min(rest)
    }
}

impl Connection {
    /// When [`Self::on_time`] is to be called, in nanoseconds.
    pub fn deadline(&self) -> u64 {
        self.timers.next()
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: u64) {
        if self.timers.ack <= now {
            self.timers.ack = NEVER;
            self.due.ack = true;
        }
        if self.timers.trim <= now {
            self.trim(now);
        }
        if self.timers.end <= now {
            return self.finish(Some(Errno::ETIMEDOUT));
        }
        if self.timers.resend <= now {
            self.resend(now);
        }
        if self.timers.keep <= now {
            self.keep_alive(now);
        }
    }

    fn trim(&mut self, now: u64) {
        self.timers.trim = NEVER;
        let last = self.timers.heard.max(self.timers.sent);
        if now < last + TRIM {
            return self.trim_later(last);
        }
        if self.transmit.is_empty() {
            self.transmit.clear();
        }
        if self.receive.is_empty() && self.ahead.is_empty() {
            self.receive.clear();
        }
        self.account();
    }

    /// Memory that is not used is given back some time after `now`.
    pub(super) fn trim_later(&mut self, now: u64) {
        if self.timers.trim == NEVER {
            self.timers.trim = now + TRIM;
        }
    }

    /// Nothing was acknowledged in time (RFC 6298, 5.4 to 5.6), or a closed
    /// window is to be probed.
    fn resend(&mut self, now: u64) {
        self.timers.resend = NEVER;
        let timers = &mut self.timers;
        if timers.attempts == 0 {
            timers.failing = timers.sent;
        }
        timers.attempts += 1;
        let waited = now.saturating_sub(timers.failing);
        let is_probe = self.state.is_synchronized() && self.max == self.una;
        // A peer that answers probes lives, but not for those who are gone.
        let is_dead = match self.settings.user_timeout_ns() {
            Some(limit) => waited >= limit,
            None => self.timers.attempts > self.most_attempts(),
        };
        if is_dead {
            return self.give_up();
        }
        let first = self.timers.attempts == 1;
        self.trip.back_off();
        self.timed = None;
        if is_probe {
            self.due.probe = true;
        } else {
            let flight = self.max.since(self.una) as u32;
            self.congestion.timed_out(first, self.max, flight);
            self.selective.timed_out(self.una, !first);
            self.next = self.una;
            // A window that was taken back holds this one up no more.
            self.due.resend = self.window == 0 && self.state.is_synchronized();
        }
        self.timers.resend = now + self.trip.timeout();
    }

    fn most_attempts(&self) -> u32 {
        match self.state {
            State::SynSent => self.settings.syn_count,
            State::SynReceived => ANSWER_RETRIES,
            _ if self.is_orphan => ORPHAN_RETRIES,
            _ => RETRIES,
        }
    }

    fn give_up(&mut self) {
        // The peer may come back to a connection that is not there any more.
        self.due.reset = self.state.is_synchronized() && self.is_orphan;
        self.finish(Some(Errno::ETIMEDOUT));
    }

    fn keep_alive(&mut self, now: u64) {
        self.timers.keep = NEVER;
        if !self.settings.keep_alive || !self.state.is_synchronized() {
            return;
        }
        let quiet = now.saturating_sub(self.timers.heard);
        // Data that is under way is proof enough of what goes on.
        if quiet < self.settings.idle_ns() || self.max != self.una {
            self.timers.probes = 0;
            let next = self.timers.heard + self.settings.idle_ns();
            self.timers.keep = next.max(now + SECOND);
            return;
        }
        let is_dead = match self.settings.user_timeout_ns() {
            Some(limit) => quiet >= limit && self.timers.probes > 0,
            None => self.timers.probes >= self.settings.keep_count,
        };
        if is_dead {
            self.due.reset = true;
            return self.finish(Some(Errno::ETIMEDOUT));
        }
        self.timers.probes += 1;
        self.due.probe = true;
        self.timers.keep = now + self.settings.interval_ns();
    }

    /// Starts or stops keep-alive as the options say.
    pub(super) fn set_keep_alive(&mut self) {
        self.timers.probes = 0;
        self.timers.keep = match self.settings.keep_alive && self.state.is_synchronized() {
            true => self.timers.heard + self.settings.idle_ns(),
            false => NEVER,
        };
    }

    /// The connection is there.
    pub(super) fn establish(&mut self) {
        self.state = State::Established;
        self.news |= Ready::OUT;
        self.set_keep_alive();
    }
}
