//! Which segment is to be sent next (RFC 9293, 3.7 and 3.8.6; RFC 1122,
//! 4.2.3.4).

use super::timers::DELAYED_ACK;
use super::{Connection, SCALE, State};
use crate::NEVER;
use crate::options::{BLOCKS, Blocks, Options};
use crate::segment::{Flags, Header, Payload};
use crate::seq::Seq;

/// A segment to be sent: its data are `length` queued bytes from `offset` on.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// The header.
    pub header: Header,
    /// Where the data begin in the queue.
    pub offset: usize,
    /// Bytes of data.
    pub length: usize,
    /// If the card is to cut it: bytes of data in each piece; otherwise zero.
    pub size: usize,
}

/// What data and end are to go with a segment.
pub(super) struct Part {
    pub seq: Seq,
    pub offset: usize,
    pub length: usize,
    pub fin: bool,
}

impl Connection {
    /// The data of a segment that [`Self::next_segment`] gave, until the next
    /// call that changes the connection.
    pub fn payload(&self, segment: &Outgoing) -> Payload<'_> {
        self.transmit.slices(segment.offset, segment.length)
    }

    /// The next segment that is due, which counts as sent at `now`. `None` if
    /// there is none. A card cuts such with up to `most` bytes of new data.
    pub fn next_segment(&mut self, now: u64, most: usize) -> Option<Outgoing> {
        let mut segment = self.next_unstamped(now, most)?;
        if self.stamps.is_agreed() {
            segment.header.options.stamps = Some(self.stamps.told(now));
            self.stamps.acknowledges(self.expected);
        }
        Some(segment)
    }

    fn next_unstamped(&mut self, now: u64, most: usize) -> Option<Outgoing> {
        if self.due.reset {
            return self.reset_segment();
        }
        match self.state {
            State::Closed | State::TimeWait if !self.due.ack => None,
            State::SynSent | State::SynReceived => self.syn(now),
            _ => self.synchronized(now, most),
        }
    }

    fn reset_segment(&mut self) -> Option<Outgoing> {
        self.due.reset = false;
        Some(self.control(Flags::RST | Flags::ACK, self.max))
    }

    /// SYN, or SYN and ACK.
    fn syn(&mut self, now: u64) -> Option<Outgoing> {
        if self.next != self.origin.iss {
            return None;
        }
        let answers = self.state == State::SynReceived;
        let mut flags = Flags::SYN;
        flags.set(Flags::ACK, answers);
        let mut segment = self.control(flags, self.origin.iss);
        segment.header.window = self.settings.receive_limit.min(65535) as u16;
        let (scales, offers) = (
            !answers || self.peer_scale.is_some(),
            !answers && !self.origin.is_local,
        );
        segment.header.options = Options {
            mss: Some(self.origin.mss()),
            scale: scales.then_some(SCALE),
            selective: offers || self.selective.is_agreed(),
            stamps: offers.then(|| self.stamps.told(now)),
            blocks: Blocks::default(),
        };
        self.next = self.origin.iss + 1;
        self.small = self.next;
        self.count_as_sent(now, self.origin.iss);
        Some(segment)
    }

    fn synchronized(&mut self, now: u64, most: usize) -> Option<Outgoing> {
        let part = self.take_resend().or_else(|| self.next_hole());
        let part = match part.or_else(|| self.next_part(now, most)) {
            Some(part) => part,
            None if self.due.ack || self.due.probe || self.window_grows() => {
                // Old numbers have the peer answer (RFC 1122, 4.2.3.6).
                let old = usize::from(self.due.probe && self.max == self.una);
                self.due.probe = false;
                self.due.ack = false;
                self.acknowledges();
                // All that was sent, even if it is being sent again: the peer
                // takes nothing from before what it expects.
                let mut segment = self.control(Flags::ACK, self.max - old);
                segment.header.options.blocks = self.blocks(BLOCKS);
                return Some(segment);
            }
            None => {
                self.watch_window(now);
                return None;
            }
        };
        Some(self.segment_of(part, now))
    }

    fn segment_of(&mut self, part: Part, now: u64) -> Outgoing {
        let room = self.room();
        let end = part.seq + part.length + usize::from(part.fin);
        let mut flags = Flags::ACK;
        flags.set(Flags::FIN, part.fin);
        let is_last = part.offset + part.length == self.transmit.len();
        flags.set(Flags::PSH, part.length > 0 && is_last);
        self.acknowledges();
        let mut segment = self.control(flags, part.seq);
        (segment.offset, segment.length) = (part.offset, part.length);
        if part.length > room {
            segment.size = room;
        }
        if !self.ahead.is_empty() {
            segment.header.options.blocks = self.blocks(BLOCKS);
        }
        if part.length > 0 && part.length < room && !end.before(self.max) {
            self.small = self.small.max(end);
        }
        if self.congestion.is_recovering() && end.before(self.max) {
            self.selective.count_as_resent(part.seq, end, self.max);
        }
        if part.seq.before(self.max) {
            let segments = part.length.div_ceil(room).max(1);
            self.resent = self.resent.wrapping_add(segments as u32);
        }
        self.next = self.next.max(end);
        self.count_as_sent(now, part.seq);
        segment
    }

    /// Keeps time for what was sent from `start` to `next`.
    fn count_as_sent(&mut self, now: u64, start: Seq) {
        if self.next.after(self.max) {
            if self.timed.is_none() && !start.before(self.max) {
                self.timed = Some((self.next, now));
            }
            self.max = self.next;
        } else {
            // Which of the two an answer is for cannot be told (Karn).
            self.timed = None;
        }
        self.timers.sent = now;
        if self.timers.resend == NEVER {
            self.timers.resend = now + self.trip.timeout();
        }
    }

    /// The first segment again, if that is due.
    fn take_resend(&mut self) -> Option<Part> {
        if !core::mem::take(&mut self.due.resend) {
            return None;
        }
        let sent = self.max.since(self.una);
        let length = self.transmit.len().min(self.room()).min(sent);
        let length = self.selective.until_next(self.una, length);
        let fin = self.fin_pending() && length == self.transmit.len();
        let fin = fin && self.max.after(self.una + length);
        (length > 0 || fin).then_some(Part {
            seq: self.una,
            offset: 0,
            length,
            fin,
        })
    }

    /// New data, or those that are sent again after a time-out, if they may
    /// go now; and the end behind them. More than one segment's up to `most` bytes,
    /// of which all are full.
    fn next_part(&mut self, now: u64, most: usize) -> Option<Part> {
        self.next = self.selective.skip(self.next.max(self.una));
        let offset = self.next.since(self.una);
        let waiting = self.transmit.len().saturating_sub(offset);
        let fin_sent = offset > self.transmit.len();
        if waiting == 0 && (!self.fin_pending() || fin_sent) {
            return None;
        }
        if self.max == self.una && now.saturating_sub(self.timers.sent) > self.trip.timeout() {
            self.congestion.was_idle();
        }
        let room = self.room();
        let allowed = (self.congestion.window() as usize).saturating_sub(self.pipe());
        let length = waiting
            .min((self.window as usize).saturating_sub(offset))
            .min(allowed)
            .min(most.max(room));
        let mut length = self.selective.until_next(self.next, length);
        if length > room && !self.origin.is_local {
            length -= length % room;
        }
        let fin = self.fin_pending() && length == waiting;
        let goes = fin || length > 0 && self.may_go(length, length == waiting);
        goes.then_some(Part {
            seq: self.next,
            offset,
            length,
            fin,
        })
    }

    /// Whether so many bytes are worth a segment; `is_all` if no more wait.
    fn may_go(&mut self, length: usize, is_all: bool) -> bool {
        let full = length >= self.room();
        let again = self.next.before(self.max);
        if full || again || core::mem::take(&mut self.due.probe) {
            return true;
        }
        // Half of the largest window is as much as may ever fit.
        let much = length >= (self.largest_window / 2).max(1) as usize;
        if !is_all {
            return much;
        }
        // Nagle's algorithm, where only small segments hold small ones up.
        let held_up = self.small.after(self.una) && !self.settings.no_delay;
        !self.settings.cork && !held_up
    }

    /// Has a window probed that lets nothing through.
    fn watch_window(&mut self, now: u64) {
        let waiting = self.transmit.len() > self.next.since(self.una);
        let quiet = self.max == self.una;
        if waiting && quiet && self.timers.resend == NEVER && self.state.is_synchronized() {
            self.timers.resend = now + self.trip.timeout();
        }
    }

    /// A segment without data.
    fn control(&self, flags: Flags, seq: Seq) -> Outgoing {
        let acks = flags.contains(Flags::ACK);
        let header = Header {
            from: self.origin.local,
            to: self.origin.remote,
            seq,
            ack: if acks { self.expected } else { Seq(0) },
            flags,
            window: self.told_window(),
            options: Options::default(),
        };
        Outgoing {
            header,
            offset: 0,
            length: 0,
            size: 0,
        }
    }

    /// What has come is being acknowledged, and the window told.
    fn acknowledges(&mut self) {
        self.due.ack = false;
        self.timers.ack = NEVER;
        self.unacknowledged = 0;
        self.told = self.window_end();
    }

    /// Where the window may end now. It never shrinks, and grows by steps
    /// that are worth it (RFC 9293, 3.8.6.2.2).
    fn window_end(&self) -> Seq {
        let free = (self.settings.receive_limit as usize).saturating_sub(self.receive.len());
        let end = self.expected + free.min(65535 << self.own_scale());
        let unit = 1usize << self.own_scale();
        let step = (self.mss as usize).min(self.settings.receive_limit as usize / 2);
        if end.since(self.told) < step.max(unit) && self.told.since(self.expected) > 0
            || !end.after(self.told)
        {
            return self.told;
        }
        if end.since(self.expected) < step {
            return self.told.max(self.expected);
        }
        // As the header can tell it.
        self.expected + end.since(self.expected) / unit * unit
    }

    /// Whether reading has made so much room that the peer is to know.
    fn window_grows(&self) -> bool {
        if !self.state.can_receive() {
            return false;
        }
        let grown = self.window_end().since(self.told);
        let limit = self.settings.receive_limit as usize;
        grown > 0 && (self.told == self.expected || grown >= (2 * self.mss as usize).min(limit / 2))
    }

    /// Data have come that are to be acknowledged: at once, or with what is
    /// sent soon.
    pub(super) fn acknowledge(&mut self, now: u64) {
        let at_once = self.origin.is_local
            || self.settings.quick_ack
            || self.quick > 0
            || self.unacknowledged >= 2 * self.mss;
        self.quick = self.quick.saturating_sub(1);
        if at_once {
            self.due.ack = true;
        } else if self.timers.ack == NEVER {
            self.timers.ack = now + DELAYED_ACK;
        }
    }
}
