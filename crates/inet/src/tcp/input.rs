//! A segment has come (RFC 9293, 3.10.7; RFC 5961).

use super::congestion::{Acknowledged, Verdict};
use super::{Connection, State};
use crate::segment::{Data, Flags, Header, Payload};
use crate::seq::Seq;
use crate::{NEVER, SECOND};
use paddock_abi::{Errno, Result};
use paddock_sync::Ready;

/// Segments that may be forged are answered once in this time, in
/// nanoseconds, for each connection (RFC 5961, 10).
const CHALLENGE: u64 = SECOND / 2;

/// What the sender of a segment is to be told, apart from what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// What is due, before another segment comes: the sender counts such
    /// acknowledgements (RFC 5681, 4.2).
    AtOnce,
    /// A reset: the segment is for no connection.
    Reset,
}

impl Connection {
    /// A segment for this connection has come.
    pub fn on_segment(&mut self, now: u64, header: &Header, data: Data<'_>) -> Answer {
        match self.state {
            State::Closed | State::TimeWait => Answer::Reset,
            State::SynSent => self.in_syn_sent(now, header),
            _ => self.in_other_states(now, header, data),
        }
    }

    /// 3.10.7.3.
    fn in_syn_sent(&mut self, now: u64, header: &Header) -> Answer {
        let acks = header.flags.contains(Flags::ACK);
        let acceptable = acks && header.ack == self.origin.iss + 1 && self.next == header.ack;
        if acks && !acceptable {
            return Answer::Reset;
        }
        if header.flags.contains(Flags::RST) {
            if acceptable {
                self.finish(Some(Errno::ECONNREFUSED));
            }
            return Answer::Nothing;
        }
        if !header.flags.contains(Flags::SYN) {
            return Answer::Nothing;
        }
        self.timers.heard = now;
        self.take_syn(now, header);
        if !acceptable {
            // Both sides have begun at once.
            self.state = State::SynReceived;
            self.next = self.origin.iss;
            return Answer::Nothing;
        }
        self.syn_acknowledged(now, header);
        self.establish();
        self.due.ack = true;
        Answer::Nothing
    }

    fn syn_acknowledged(&mut self, now: u64, header: &Header) {
        self.take_sample(now, header.ack);
        self.una = header.ack;
        self.next = self.next.max(self.una);
        self.window_ack = header.ack;
        self.timers.resend = NEVER;
        self.timers.attempts = 0;
    }

    /// 3.10.7.4.
    fn in_other_states(&mut self, now: u64, header: &Header, data: Data<'_>) -> Answer {
        let length = data.len();
        let is_reset = header.flags.contains(Flags::RST);
        let is_old = !is_reset && self.stamps.is_old(now, &header.options);
        if is_old || !self.is_acceptable(header, length) {
            return self.unacceptable(now, header, length);
        }
        if is_reset {
            self.on_reset(now, header);
            return Answer::Nothing;
        }
        if header.flags.contains(Flags::SYN) {
            self.challenge(now);
            return Answer::Nothing;
        }
        if !header.flags.contains(Flags::ACK) {
            return Answer::Nothing;
        }
        if self.state == State::SynReceived {
            if !header.ack.after(self.una) || header.ack.after(self.max) {
                return Answer::Reset;
            }
            self.window_seq = header.seq - 1;
            self.syn_acknowledged(now, header);
            self.establish();
        }
        if header.ack.after(self.max)
            || header
                .ack
                .before(self.una - self.largest_window.max(65535) as usize)
        {
            self.challenge(now);
            return Answer::Nothing;
        }
        self.timers.heard = now;
        self.timers.probes = 0;
        self.stamps.hear(now, &header.options, header.seq);
        self.on_ack(now, header, length);
        if self.state == State::Closed {
            return Answer::Nothing;
        }
        let answer = match length {
            0 => Answer::Nothing,
            _ => self.on_data(now, header, data),
        };
        if answer != Answer::Reset {
            self.on_fin(header, length);
        }
        answer
    }

    /// Whether any of a segment is in the window. One at its left edge always
    /// is: what it acknowledges counts even if its data do not fit.
    fn is_acceptable(&self, header: &Header, data: usize) -> bool {
        let end = header.seq + header.length(data);
        let window_end = self.told.max(self.expected);
        if header.seq.after(window_end) {
            return false;
        }
        match header.length(data) {
            0 => !header.seq.before(self.expected),
            _ => end.after(self.expected),
        }
    }

    fn unacceptable(&mut self, now: u64, header: &Header, length: usize) -> Answer {
        if header.flags.contains(Flags::RST) {
            return Answer::Nothing;
        }
        if self.state == State::SynReceived && header.flags.contains(Flags::SYN) {
            self.on_syn_again(now, header);
            return Answer::Nothing;
        }
        // An acknowledgement of old numbers still tells the window.
        let is_probe = header.seq + 1 == self.expected;
        let is_answer = header.length(length) == 0 && !is_probe;
        if header.flags.contains(Flags::SYN) || is_answer {
            // Two sides that each find the other's numbers wrong would go on for ever.
            self.challenge(now);
        } else {
            self.due.ack = true;
        }
        if is_probe && header.flags.contains(Flags::ACK) && header.ack == self.una {
            self.timers.heard = now;
            self.timers.probes = 0;
        }
        Answer::Nothing
    }

    /// The peer's SYN once more: the answer to it was lost, or both have begun
    /// at once and this is its answer (RFC 9293, 3.5, figure 7).
    fn on_syn_again(&mut self, now: u64, header: &Header) {
        let is_first = header.seq + 1 == self.expected;
        if !header.flags.contains(Flags::ACK) {
            self.next = self.origin.iss;
        } else if is_first && header.ack == self.origin.iss + 1 && self.max == header.ack {
            self.window_seq = header.seq;
            self.syn_acknowledged(now, header);
            self.establish();
            self.due.ack = true;
        }
    }

    /// RFC 5961, 3.2.
    fn on_reset(&mut self, now: u64, header: &Header) {
        if header.seq != self.expected {
            return self.challenge(now);
        }
        self.finish(Some(match self.state {
            State::CloseWait => Errno::EPIPE,
            _ => Errno::ECONNRESET,
        }));
    }

    /// Has the sender of what may be forged prove that it is the peer.
    fn challenge(&mut self, now: u64) {
        if now.saturating_sub(self.timers.challenged) >= CHALLENGE || self.timers.challenged == 0 {
            self.timers.challenged = now.max(1);
            self.due.ack = true;
        }
    }

    pub(super) fn take_sample(&mut self, now: u64, ack: Seq) {
        if let Some((end, sent)) = self.timed
            && !ack.before(end)
        {
            self.trip.sample(now.saturating_sub(sent));
            self.timed = None;
        }
    }

    fn on_ack(&mut self, now: u64, header: &Header, length: usize) {
        let window = u32::from(header.window) << self.peer_scale.unwrap_or(0);
        let same_window = window == self.window;
        if self.window_seq.before(header.seq)
            || self.window_seq == header.seq && !header.ack.before(self.window_ack)
        {
            self.window = window;
            self.largest_window = self.largest_window.max(window);
            (self.window_seq, self.window_ack) = (header.seq, header.ack);
        }
        let any = self.take_blocks(header);
        if header.ack.after(self.una) {
            self.on_new_ack(now, header);
            return self.seek_losses();
        }
        if header.ack != self.una {
            return;
        }
        let flight = self.max.since(self.una) as u32;
        if flight == 0 {
            // It answers: what waits is only for its window.
            self.timers.attempts = 0;
            if self.window > 0 {
                self.trip.answered();
                self.timers.resend = NEVER;
            }
            return;
        }
        let fin = header.flags.contains(Flags::FIN);
        if self.selective.is_agreed() {
            if any {
                self.seek_losses();
            }
        } else if length == 0 && same_window && !fin {
            let verdict = self.congestion.duplicate(self.una, self.max, flight);
            self.due.resend |= verdict == Verdict::Resend;
        }
    }

    /// Something was acknowledged for the first time.
    fn on_new_ack(&mut self, now: u64, header: &Header) {
        let ack = header.ack;
        self.take_sample(now, ack);
        if self.timers.attempts > 0
            && let Some(trip) = self.stamps.trip(now, &header.options)
            && trip <= now.saturating_sub(self.timers.sent) + SECOND / 1000
        {
            // It answers the last of several; an answer to the first may have
            // been lost, and tells nothing.
            self.trip.sample(trip);
        }
        let count = ack.since(self.una);
        let end = self.una + self.transmit.len();
        let fin_acked = self.fin_pending() && ack.after(end);
        self.transmit.consume(count.min(self.transmit.len()));
        self.advance(now, ack, count);
        if fin_acked {
            self.on_fin_acked(now);
        }
    }

    /// The peer has everything before `ack`, of which `count` are news.
    pub(super) fn advance(&mut self, now: u64, ack: Seq, count: usize) {
        self.una = ack;
        self.next = self.next.max(ack);
        self.small = self.small.max(ack);
        let flight = self.max.since(ack) as u32;
        self.selective.advance(ack);
        let verdict = self.congestion.acknowledged(&Acknowledged {
            count: count as u32,
            una: ack,
            flight,
            selective: self.selective.is_agreed(),
            now,
            trip: self.trip.estimate().0,
        });
        self.due.resend |= verdict == Verdict::Resend && flight > 0;
        self.timers.attempts = 0;
        self.trip.answered();
        self.timers.resend = match flight {
            0 => NEVER,
            _ => now + self.trip.timeout(),
        };
    }

    fn on_fin_acked(&mut self, now: u64) {
        self.fin_acked = true;
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                self.limit_fin_wait(now);
            }
            State::Closing => self.wait_out(),
            State::LastAck => self.finish(None),
            _ => {}
        }
    }

    /// FIN-WAIT-2 does not last for ever once no socket is there.
    pub(super) fn limit_fin_wait(&mut self, now: u64) {
        if self.is_orphan && self.state == State::FinWait2 {
            self.timers.end = now + u64::from(self.settings.linger2) * SECOND;
        }
    }

    /// Both ends are through: the rest is TIME-WAIT's.
    fn wait_out(&mut self) {
        let due = self.due;
        self.finish(None);
        self.due = due;
        self.state = State::TimeWait;
    }

    fn on_data(&mut self, now: u64, header: &Header, data: Data<'_>) -> Answer {
        let length = data.len();
        if !self.state.can_receive() {
            return Answer::Nothing;
        }
        if self.is_orphan && (header.seq + length).after(self.expected) {
            // Nobody will read it (RFC 1122, 4.2.2.13).
            self.finish(None);
            return Answer::Reset;
        }
        let before = self.expected;
        match data {
            Data::Bytes(bytes) => {
                if self.store(header.seq, bytes).is_err() {
                    // An acknowledgement would have it sent again at once.
                    return Answer::Nothing;
                }
            }
            Data::Placed(count) => {
                self.receive.commit(count);
                self.expected += count;
            }
        }
        if self.expected == before {
            // What came is a copy, or out of order, or did not fit.
            self.due.ack = true;
            return Answer::AtOnce;
        }
        let more = self.expected.since(before) as u32;
        self.unacknowledged = self.unacknowledged.saturating_add(more);
        self.news |= Ready::IN;
        let in_order = header.seq + length == self.expected && self.ahead.is_empty();
        match in_order {
            true => self.acknowledge(now),
            false => self.due.ack = true,
        }
        self.trim_later(now);
        Answer::Nothing
    }

    /// Keeps as much of the data as is in the window. `ENOMEM` if there is memory for
    /// none of them.
    fn store(&mut self, seq: Seq, data: Payload<'_>) -> Result<()> {
        let length = data.0.len() + data.1.len();
        let skip = self.expected.since(seq);
        let fits = self.told.since(seq).min(length);
        if skip >= fits {
            return Ok(());
        }
        let offset = seq.since(self.expected);
        let total = self.receive.len() + offset + fits - skip;
        let missing = total - self.make_room(total).min(total);
        if missing >= fits - skip {
            return Err(Errno::ENOMEM);
        }
        let fits = fits - missing;
        if offset > 0 {
            if !self.ahead.add(seq, seq + fits) {
                return Ok(());
            }
            self.selective.note(seq);
        }
        let at = self.receive.len() + offset;
        let split = data.0.len().clamp(skip, fits);
        let first = data.0.get(skip..split).unwrap_or(&[]);
        let second_from = skip.saturating_sub(data.0.len());
        let second = data
            .1
            .get(second_from..fits.saturating_sub(data.0.len()).max(second_from));
        self.receive.put(at, first);
        self.receive.put(at + first.len(), second.unwrap_or(&[]));
        if offset == 0 {
            let reached = self.ahead.advance(seq + fits);
            self.receive.commit(reached.since(self.expected));
            self.expected = reached;
            self.told = self.told.max(reached);
        }
        Ok(())
    }

    /// Room for `total` bytes that have come, or for as many as memory allows: how many.
    /// A peer that was promised more sends the rest again, in pieces that may be as large
    /// as these.
    fn make_room(&mut self, total: usize) -> usize {
        let mut wanted = total;
        while wanted > self.receive.capacity() {
            let grown = self.grow(|connection| &mut connection.receive, wanted);
            if grown.is_ok() {
                break;
            }
            wanted /= 2;
        }
        self.receive.capacity()
    }

    /// The peer's end, if it has come with everything before it.
    fn on_fin(&mut self, header: &Header, length: usize) {
        if header.flags.contains(Flags::FIN) && self.state.can_receive() {
            self.fin_at = Some(header.seq + length);
            // Out of order or not, the peer is to know what is missing.
            self.due.ack = true;
        }
        if self.fin_at != Some(self.expected) || !self.state.can_receive() {
            return;
        }
        self.fin_at = None;
        self.expected += 1;
        self.told = self.told.max(self.expected);
        self.due.ack = true;
        (self.read_shut, self.peer_ended) = (true, true);
        self.news |= Ready::IN | Ready::RDHUP;
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            _ => self.wait_out(),
        }
    }
}
